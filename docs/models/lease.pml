/*
 * lease: an owner that its peer confirms, and an arbiter for the time after.
 *
 * One round of the loop is one tick. In each tick both machines may crash or
 * boot, each direction of the links and each way to the arbiter works or not,
 * and with FREEZE=1 each daemon may stand still: all of it is chosen freely.
 * What a node did in the last tick is what its beat says in this one.
 *
 * Asked: do both kernels ever answer for the address in the same tick?
 * docs/models/README.md has the assumptions and the results.
 */

#ifndef D
#define D 4             /* dead time: silence after which the heir may act */
#endif
#ifndef Y
#define Y 3             /* yield: age of the newest confirmed beat at which the lease ends */
#endif
#ifndef INITDEAD
#define INITDEAD D      /* up time before which a node does not act */
#endif
#ifndef ARBITER
#define ARBITER 1       /* 0: silence for D is enough to act, and nothing limits who acted */
#endif
#ifndef KERNEL
#define KERNEL 1        /* 0: only the daemon takes the address away (rule K1 missing) */
#endif
#ifndef FREEZE
#define FREEZE 0
#endif
#ifndef HEARD
#define HEARD 0         /* 1: the lease counts from the last beat heard, not from the last one confirmed */
#endif
#ifndef SERVED
#define SERVED 0        /* n: with the arbiter in reach nobody serves for n ticks at most after the owner's death */
#endif

#define OLD ((Y > D -> Y : D) + 1) /* ages are counted up to here */
#define AGE(x)          x = (x < OLD -> x + 1 : OLD)
#define RUNS(i)         (!down[i] && !frozen[i])
#define SOLE(i)         (solo[i] && renewed[i] < Y)
#define ENTITLED(i)     (conf[i] < Y || SOLE(i))

bit down[2], frozen[2];
bit owner[2];           /* the daemon takes itself for the owner */
bit voice[2];           /* the kernel answers for the address */
byte silence[2];        /* since a beat of the peer came */
byte conf[2];           /* since this node sent the newest beat that the peer confirmed */
byte upfor[2];
bit solo[2];            /* entitled by the arbiter ... */
byte renewed[2];        /* ... since this many ticks */

byte recOwner;          /* the arbiter's record: who, ... */
bit recSolo;            /* ... alone or confirmed by the peer, ... */
byte recAge;            /* ... and since when it stands unchanged */

byte orphan;            /* for how long node 0 has been dead while node 1 could serve */
byte told[2];           /* in the beats of this tick: for how long the receiver was silent */
bit spoke[2], wire[2], way[2];

inline boot(i) {
	down[i] = 0; upfor[i] = 0; silence[i] = OLD; conf[i] = OLD
}

inline halt(i) {
	down[i] = 1; frozen[i] = 0; owner[i] = 0; voice[i] = 0; solo[i] = 0;
	silence[i] = OLD; conf[i] = OLD; upfor[i] = 0
}

/* quit and win are what the owner and the heir do to themselves. */
inline quit(i) { owner[i] = 0; voice[i] = 0; solo[i] = 0 }

inline swap(i) {
	recOwner = i; recSolo = 1; recAge = 0;
	solo[i] = 1; renewed[i] = 0; owner[i] = 1; voice[i] = 1
}

inline hear(i) {
	if
	:: RUNS(i) && wire[i] && spoke[1-i] ->
		silence[i] = 0;
		if
		:: HEARD -> conf[i] = 0
		:: !HEARD && told[1-i] < conf[i] -> conf[i] = told[1-i]
		:: else
		fi
	:: else
	fi
}

/* guard is the owner's part: ask the arbiter in time, hand its record back, or give up. */
inline guard(i) {
	if
	:: ARBITER && way[i] && recOwner != i -> quit(i)
	:: ARBITER && way[i] && recOwner == i && conf[i] < 2 && solo[i] -> recSolo = 0; recAge = 0; solo[i] = 0
	:: ARBITER && way[i] && recOwner == i && conf[i] >= 2 && (solo[i] || conf[i] < Y) -> swap(i)
	:: else
	fi;
	if
	:: ARBITER && owner[i] && !ENTITLED(i) -> quit(i)
	:: else
	fi
}

/* reach is the heir's part. */
inline reach(i) {
	if
	:: silence[i] >= D && upfor[i] >= INITDEAD ->
		if
		:: !ARBITER -> owner[i] = 1; voice[i] = 1
		:: ARBITER && way[i] && (!recSolo || recAge >= D) -> swap(i)
		:: else
		fi
	:: else
	fi
}

inline act(i) {
	if
	:: RUNS(i) && owner[i] -> guard(i)
	:: RUNS(i) && !owner[i] -> reach(i)
	:: else
	fi;
	if
	:: KERNEL && ARBITER && voice[i] && !ENTITLED(i) -> voice[i] = 0
	:: else
	fi
}

inline either(x) { if :: x = 0 :: x = 1 fi }

inline fate(i) {
	if
	:: true
	:: !down[i] -> halt(i)
	:: down[i] -> boot(i)
	fi;
	if
	:: FREEZE && !down[i] -> either(frozen[i])
	:: else
	fi
}

inline age(i) {
	AGE(silence[i]); AGE(conf[i]); AGE(renewed[i]);
	if :: RUNS(i) -> AGE(upfor[i]) :: else fi;
	told[i] = silence[i]; spoke[i] = RUNS(i)
}

inline tick() {
	age(0); age(1); AGE(recAge);
	hear(0); hear(1);
	act(0); act(1);
	if
	:: SERVED && down[0] && RUNS(1) && way[1] -> AGE(orphan)
	:: else -> orphan = 0
	fi;
	told[0] = 0; told[1] = 0; spoke[0] = 0; spoke[1] = 0;
	wire[0] = 0; wire[1] = 0; way[0] = 0; way[1] = 0
}

init {
	owner[0] = 1; voice[0] = 1; upfor[0] = OLD; upfor[1] = OLD;
	do
	:: atomic {
		fate(0); fate(1);
		either(wire[0]); either(wire[1]);
		if :: ARBITER -> either(way[0]); either(way[1]) :: else fi;
		d_step { tick() };
		assert(!(voice[0] && voice[1]));
		assert(!SERVED || orphan <= SERVED || voice[1])
	}
	od
}
