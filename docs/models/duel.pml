/*
 * duel: two nodes and no third party but ping nodes, which cannot judge.
 *
 * One round of the loop is one tick. In each tick machines crash and boot, each
 * direction of the cross-over link and of the front works or not, each node
 * reaches each ping node or not, and with FREEZE=1 each daemon may stand still:
 * all of it is chosen freely, but for assumption A3: two nodes that reach the
 * same ping node reach each other over the front, where beats go too.
 *
 * Asked: do both kernels ever answer for the address in the same tick?
 * docs/models/README.md has the assumptions and the results.
 */

#ifndef D
#define D 4             /* dead time */
#endif
#ifndef Y
#define Y 3             /* yield: age of the newest confirmed beat */
#endif
#ifndef G
#define G Y             /* ping lease: age of the newest answer at which an unconfirmed owner gives up */
#endif
#ifndef R
#define R D             /* ping run that the taker needs */
#endif
#ifndef PINGS
#define PINGS 1         /* ping nodes: 0 to 3 */
#endif
#ifndef RUN
#define RUN 1           /* 0: one answer in the tick of the decision is enough for the taker */
#endif
#ifndef GAP
#define GAP 0           /* ticks in a row without an answer that do not end a run */
#endif
#ifndef WINDOW
#define WINDOW 0        /* A3 over WINDOW + 1 ticks: both reach the ping node in them, the front works in one of them */
#endif
#ifndef KEEP
#define KEEP ((PINGS + 1) / 2)  /* so many ping nodes keep an owner: ceil(n/2) */
#endif
#ifndef NEED
#define NEED (PINGS / 2 + 1)    /* so many let a taker take: floor(n/2) + 1 */
#endif
#ifndef MIXED
#define MIXED 0         /* 1: the taker's run may be made of other ping nodes in each tick */
#endif
#ifndef YIELD
#define YIELD 1         /* 0: an owner never gives up */
#endif
#ifndef PROBE
#define PROBE 1         /* 0: the taker does not ask the front for the address (rule S4) */
#endif
#ifndef INTENT
#define INTENT 0        /* 1: an unconfirmed owner gives up when the other says that it takes (rules S3, O6) */
#endif
#ifndef TRANSITIVE
#define TRANSITIVE 1    /* 0: assumption A3 does not hold */
#endif
#ifndef ONEWAY
#define ONEWAY 0        /* 1: node 0 always hears node 1 and does not crash */
#endif
#ifndef CRASH
#define CRASH 1         /* 0: no machine crashes */
#endif
#ifndef HALVES
#define HALVES 1        /* 0: both directions of the front fail together */
#endif
#ifndef FREEZE
#define FREEZE 0
#endif
#ifndef KERNEL
#define KERNEL 1        /* 0: only the daemon takes the address away (rule K1 missing) */
#endif
#ifndef CROSSOVER
#define CROSSOVER 1     /* 0: beats go over the front only */
#endif

#define OLD    (Y > D -> Y : D) /* ages are counted up to here */
#define AGE(x) x = (x < OLD -> x + 1 : OLD)
#define RUNS(i) (!down[i] && !frozen[i])

/* For each node and ping node the answers of the last ticks: bit 0 is this one. */
#define PAST  ((1 << (R > G -> R : G)) - 1)
#define SEEN(i, p)   ((past[(i)*3+p] & ((1 << G) - 1)) != 0)
#if GAP == 0
#define WIDE(v)      (v)
#elif GAP == 1
#define WIDE(v)      ((v) | ((v) >> 1))
#elif GAP == 2
#define WIDE(v)      ((v) | ((v) >> 1) | ((v) >> 2))
#else
#define WIDE(v)      ((v) | ((v) >> 1) | ((v) >> 2) | ((v) >> 3))
#endif
#define ALL          ((1 << (R - GAP)) - 1)
#define STEADY(i, p) ((WIDE(past[(i)*3+p]) & ALL) == ALL)
#define NOW(i, p)    (past[(i)*3+p] & 1)
#define COUNT(of, i) ((PINGS > 0 && of(i, 0)) + (PINGS > 1 && of(i, 1)) + (PINGS > 2 && of(i, 2)))

#define KEPT(i)      (PINGS > 0 && COUNT(SEEN, i) >= KEEP)
#define ENTITLED(i)  (!YIELD || conf[i] < Y || KEPT(i))
#define FIT(i)       (PINGS == 0 || (!RUN && COUNT(NOW, i) >= 1) || (RUN && !MIXED && COUNT(STEADY, i) >= NEED) || (RUN && MIXED && many[i] >= R))

bit down[2], frozen[2];
bit owner[2], voice[2]; /* the daemon takes itself for the owner; the kernel answers */
byte silence[2];        /* since a beat of the peer came */
byte conf[2];           /* since this node sent the newest beat that the peer confirmed */
byte past[6];           /* answers of the ping nodes */
byte many[2];           /* MIXED: for how long enough ping nodes answered, whichever */
bit together;           /* the front worked both ways in the tick before */

byte told[2];           /* what the beats of this tick say */
bit spoke[2], warned[2], cross[2], front[2], both;

inline quit(i) { owner[i] = 0; voice[i] = 0 }

inline halt(i) {
	down[i] = 1; frozen[i] = 0; quit(i);
	silence[i] = 0; conf[i] = OLD; many[i] = 0;
	past[i*3] = 0; past[i*3+1] = 0; past[i*3+2] = 0
}

inline hear(i) {
	if
	:: RUNS(i) && spoke[1-i] && ((CROSSOVER && cross[i]) || front[i]) ->
		silence[i] = 0;
		if
		:: told[1-i] < conf[i] -> conf[i] = told[1-i]
		:: else
		fi;
		if
		:: INTENT && warned[1-i] && owner[i] && conf[i] >= Y -> quit(i)
		:: else
		fi
	:: else
	fi
}

inline act(i) {
	if
	:: RUNS(i) && owner[i] && !ENTITLED(i) -> quit(i)
	:: RUNS(i) && !owner[i] && silence[i] >= D && FIT(i) && !(PROBE && both && voice[1-i]) ->
		owner[i] = 1; voice[i] = 1; conf[i] = OLD
	:: else
	fi;
	if
	:: KERNEL && voice[i] && !ENTITLED(i) -> quit(i)
	:: else
	fi
}

inline either(x) { if :: x = 0 :: x = 1 fi }

inline fate(i) {
	if
	:: true
	:: CRASH && !down[i] -> halt(i)
	:: down[i] -> down[i] = 0; silence[i] = 0
	fi;
	if
	:: FREEZE && !down[i] -> either(frozen[i])
	:: else
	fi
}

/* ask puts the answer of a ping node into a running daemon's memory. */
inline ask(i, p) {
	past[i*3+p] = (past[i*3+p] << 1) & PAST;
	if
	:: RUNS(i) -> if :: true :: past[i*3+p] = past[i*3+p] | 1 fi
	:: else -> skip
	fi
}

#define MEET(p) ((past[p] & ((1 << (WINDOW + 1)) - 1)) && (past[3+p] & ((1 << (WINDOW + 1)) - 1)))

/* meet is assumption A3. */
inline meet() {
	if
	:: TRANSITIVE && (MEET(0) || MEET(1) || MEET(2)) && !(WINDOW && together) -> front[0] = 1; front[1] = 1
	:: else
	fi
}

inline age(i) {
	AGE(silence[i]); AGE(conf[i]);
	told[i] = silence[i]; spoke[i] = RUNS(i); warned[i] = (silence[i] >= Y);
	if
	:: MIXED && COUNT(NOW, i) >= NEED -> AGE(many[i])
	:: else -> many[i] = 0
	fi
}

inline tick() {
	both = front[0] && front[1];
	age(0); age(1);
	hear(0); hear(1);
	act(0); act(1);
	together = both && WINDOW;
	told[0] = 0; told[1] = 0; spoke[0] = 0; spoke[1] = 0; warned[0] = 0; warned[1] = 0;
	cross[0] = 0; cross[1] = 0; front[0] = 0; front[1] = 0; both = 0
}

init {
	owner[0] = 1; voice[0] = 1;
	do
	:: atomic {
		if :: !ONEWAY -> fate(0) :: else fi;
		fate(1);
		if :: CROSSOVER -> either(cross[0]); either(cross[1]) :: else fi;
		either(front[0]);
		if :: HALVES -> either(front[1]) :: else -> front[1] = front[0] fi;
		if :: ONEWAY -> cross[0] = 1; front[0] = 1 :: else fi;
		if :: PINGS > 0 -> ask(0, 0); ask(1, 0) :: else fi;
		if :: PINGS > 1 -> ask(0, 1); ask(1, 1) :: else fi;
		if :: PINGS > 2 -> ask(0, 2); ask(1, 2) :: else fi;
		d_step { meet(); tick() };
		assert(!(voice[0] && voice[1]))
	}
	od
}
