/*
 * adopted: the rules as the core has them, for two nodes without ping nodes,
 * arbiter or fencing: level L1 of docs/protocol.md. Rules are cited by their
 * numbers there, and each has a switch that leaves it out.
 *
 * One round of the loop is one tick, the time of a keepalive. In each tick one
 * thing may happen to one node, and each direction of the link and of the front
 * works or not, all chosen freely; ANCHOR names the one way between the nodes that
 * never fails. What a node did in the last tick stands in its heartbeat of this one.
 *
 * Asked, by CHECK: do both kernels ever answer in the same tick? And from
 * each state that the world can come to: what is there some ticks after a heal?
 * docs/models/README.md has the assumptions and the results.
 */

#ifndef D
#define D 4             /* dead time; initdead is the same */
#endif
#ifndef Y
#define Y 3             /* yield */
#endif
#ifndef LEAD
#define LEAD 1          /* intent lead: 2 keepalives, at most D - Y */
#endif
#ifndef ALONE_MARGIN
#define ALONE_MARGIN 1  /* alone margin: 3 keepalives, less where Y has few of them; 0: alone begins too late */
#endif
#ifndef SHORT
#define SHORT Y         /* alone lease (O4) while the peer is heard: D - Y - 1 keepalive where that is more than nothing */
#endif
#define SOLO(i) (alone[i] && silence[i] < 2 -> SHORT : Y)
#define PATIENCE(i) (i == 0 -> Y + 3 : 1)   /* H2: node 0 is the preferred one */

/* What never fails. */
#define NOTHING   0
#define FRONT     1     /* the front, both ways */
#define LINK      2     /* the link, both ways */
#define LINK01    3     /* the link from node 0 to node 1 */
#define LINK10    4
#define EITHER    5     /* in each tick the link or the front, both ways; which one may change */
#ifndef ANCHOR
#define ANCHOR NOTHING
#endif

/* What is asked. */
#define NEVERTWO  0     /* never two, in no tick */
#define HEALED    1     /* all is well again: one serves */
#define BYLINK    2     /* the link is back, the front is not: not two */
#define BYFRONT   3     /* the front is back, the link is not: not two */
#define BYHALF    4     /* only one direction of the front is back: not two, and nobody flaps */
#define SURVIVOR  5     /* the peer of a confirmed owner dies: no tick without service */
#ifndef CHECK
#define CHECK NEVERTWO
#endif
#ifndef BOUND
#define BOUND 20        /* ticks after which the question is asked */
#endif

/* What may happen. */
#ifndef CRASH
#define CRASH 1         /* a machine crashes and boots */
#endif
#ifndef KILL
#define KILL 1          /* a daemon is killed and started again */
#endif
#ifndef FREEZE
#define FREEZE 1        /* a daemon stands still and goes on */
#endif
#ifndef MOVE
#define MOVE 1          /* the operator moves the group */
#endif
#ifndef LEAVE
#define LEAVE 1         /* a daemon stops in good order */
#endif
#ifndef HALFLINK
#define HALFLINK 1      /* 0: both directions of the link fail together */
#endif
#ifndef HALFFRONT
#define HALFFRONT 0     /* 1: each direction of the front may fail alone */
#endif

/* mode */
#define UP     0
#define FROZEN 1
#define DEAD   2        /* the daemon does not run, the machine does */
#define OFF    3
/* state of the group; starting counts as running, and stopping takes no time */
#define STOPPED 0
#define RUNNING 1
#define QUIET   2
#define MUTE    3
/* way */
#define WAITING   0
#define BYSILENCE 1
#define BYOFFER   2
#define BYCLAIM   3
#define BYLEAVE   4

#define EPOCHS 3
#define UPTO(x, n) x = (x < n -> x + 1 : n)
#define LESS(x)    x = (x > 0 -> x - 1 : 0)

byte mode[2], state[2];
byte lease[2];          /* what is left of the kernel's lease */
bit  still[2];          /* the kernel's lease is a quiet one */
byte silence[2];        /* own stalls left out */
byte seen[2];           /* since the newest heartbeat of the peer was sent, stalls or not: the echo */
byte conf[2];           /* since E */
bit  adopted[2];        /* conf stands for the lease that was found at the start (B2) */
bit  alone[2], gone[2]; /* O4; the peer left and no newer life was heard (O2) */
bit  met[2];            /* the present life of the peer was heard */
bit  offer[2], left[2], barred[2];  /* barred: the newest probe was answered */
byte claim[2], intent[2];   /* since when, 0: not */
byte hold[2], heard[2], meets[2];   /* wait after H2 or a foreign probe; another's announcement; sightings in a row */
byte epoch[2];          /* the highest held or heard; only the difference matters */
/* the peer's newest heartbeat */
bit  echoes[2];
byte said[2];
bit  sOffer[2], sClaim[2], sIntent[2];
bit  sLater[2];         /* its epoch is the higher one, or the same and it is preferred (H1) */

/* Within one tick: no part of the state, but for a search by breadth, which cannot leave it out. */
#ifdef TELL
#define SCRATCH
#else
#define SCRATCH hidden
#endif
SCRATCH byte mSeen[2], mState[2], mEpoch[2], way[2];
SCRATCH byte mSpeaks[2], mMet[2], mOffer[2], mClaim[2], mIntent[2], mLeft[2];
SCRATCH byte voice[2], calls[2], probes[2], n, k;
bit link[2], front[2];  /* [i]: towards node i */
bit order, bad;

#define ANSWERS(i)  (lease[i] > 0 && !still[i])
#define OWNS(i)     (state[i] != STOPPED)
#define PEERUP(i)   (silence[i] < D && echoes[i] && !gone[i])
#define UNSURE(i)   (!gone[i] && (adopted[i] || conf[i] >= Y - ALONE_MARGIN))
#define FRESH(i)    (!adopted[i] && conf[i] < Y)
#define SPEAKS(i)   (gone[i] || (PEERUP(i) && silence[i] < 2))
#define LATER(i)    (mEpoch[1-i] > epoch[i] || (mEpoch[1-i] == epoch[i] && i == 1))

inline forget(i) {
	silence[i] = 0; seen[i] = Y; conf[i] = Y; adopted[i] = 0; alone[i] = 0; gone[i] = 0; met[i] = 0;
	offer[i] = 0; left[i] = 0; barred[i] = 0; claim[i] = 0; intent[i] = 0; hold[i] = 0;
	heard[i] = 0; meets[i] = 0; echoes[i] = 0; said[i] = STOPPED; sOffer[i] = 0; sClaim[i] = 0; sIntent[i] = 0; sLater[i] = 0
}

/* start is the beginning of a life of the daemon: rule B2. */
inline start(i) {
	forget(i);
	met[1-i] = 0; mode[i] = UP;
#ifdef NO_BOOTWAIT
	silence[i] = D;
#endif
	if
	:: state[i] != STOPPED && lease[i] == 0 -> state[i] = MUTE; still[i] = 0
	:: lease[i] > 0 ->
		adopted[i] = 1; conf[i] = Y - lease[i];
		state[i] = (still[i] -> QUIET : RUNNING)
#ifdef QUIET_ADOPTED_AS_RUNNING
		; state[i] = RUNNING; still[i] = 0
#endif
	:: else
	fi
}

inline stop(i) { state[i] = STOPPED; lease[i] = 0; still[i] = 0; alone[i] = 0; adopted[i] = 0; meets[i] = 0 }

inline silenced(i) { state[i] = MUTE; lease[i] = 0; still[i] = 0; alone[i] = 0; offer[i] = 0; adopted[i] = 0; meets[i] = 0; barred[i] = 0 }

inline take(i) {
	if :: sLater[i] && epoch[1-i] > epoch[i] -> epoch[i] = epoch[1-i] :: else fi;
	sLater[i] = 0;
	UPTO(epoch[i], EPOCHS);
	alone[i] = (!PEERUP(i) && !gone[i]);
	state[i] = RUNNING; still[i] = 0;
	claim[i] = 0; intent[i] = 0; offer[i] = 0; barred[i] = 0; meets[i] = 0;
	lease[i] = (alone[i] || gone[i] -> Y : (conf[i] < Y -> Y - conf[i] : 0));
	if :: lease[i] == 0 -> silenced(i) :: else fi
}

/* pass is the time since the last tick, and what the node's heartbeat now says. */
inline pass(i) {
	if
	:: mode[i] == OFF -> skip
	:: else ->
#ifdef NO_K1
		if :: mode[i] == UP -> LESS(lease[i]) :: else fi;
#else
		LESS(lease[i]);
#endif
		if :: lease[i] == 0 -> still[i] = 0 :: else fi
	fi;
	if
	:: mode[i] == UP || mode[i] == FROZEN ->
		UPTO(conf[i], Y); UPTO(seen[i], Y);
		if :: mode[i] == UP -> UPTO(silence[i], D); LESS(hold[i]); LESS(heard[i]) :: else fi
	:: else
	fi;
	/* Who wakes up decides before it speaks: what lapsed meanwhile is not said to be held. */
	if
	:: mode[i] == UP && (state[i] == RUNNING || state[i] == QUIET) && lease[i] == 0 -> silenced(i)
	:: else
	fi;
	mSpeaks[i] = (mode[i] == UP); mSeen[i] = seen[i]; mState[i] = state[i]; mEpoch[i] = epoch[i];
	mMet[i] = met[i]; mOffer[i] = offer[i]; mClaim[i] = (claim[i] > 0); mIntent[i] = (intent[i] > 0); mLeft[i] = left[i];
	voice[i] = ANSWERS(i);
	calls[i] = (mode[i] == UP && state[i] == RUNNING && lease[i] > 0 && (UNSURE(i) || (echoes[i] && silence[i] < D && said[i] == RUNNING)))
#ifdef NO_H2
	; calls[i] = 0
#endif
}

/* hear takes the peer's heartbeat in; a daemon that stands still finds it in its socket. */
inline hear(i) {
	if
	:: (mode[i] == UP || mode[i] == FROZEN) && mSpeaks[1-i] && link[i] ->
		silence[i] = 0; seen[i] = 0;
		if
		:: !met[i] && gone[i] -> gone[i] = 0; conf[i] = 0; adopted[i] = 0
		:: else
		fi;
		met[i] = 1; echoes[i] = mMet[1-i];
		said[i] = mState[1-i]; sOffer[i] = mOffer[1-i]; sClaim[i] = mClaim[1-i]; sIntent[i] = mIntent[1-i];
		if
		:: echoes[i] && mSeen[1-i] < Y && (adopted[i] || mSeen[1-i] < conf[i]) -> conf[i] = mSeen[1-i]; adopted[i] = 0
		:: else
		fi;
#ifdef HEARD_COUNTS
		conf[i] = 0; adopted[i] = 0;
#endif
		gone[i] = (echoes[i] && mLeft[1-i]);
		sLater[i] = LATER(i);
		if
		:: state[i] == STOPPED && mEpoch[1-i] > epoch[i] -> epoch[i] = mEpoch[1-i]
		:: else
		fi
	:: else
	fi;
	if
	:: silence[i] >= D -> said[i] = STOPPED; sOffer[i] = 0; sClaim[i] = 0; sLater[i] = 0
	:: else
	fi
}

/* entitle is O1, O2, O4 and O5. */
inline entitle(i) {
	if
	:: state[i] == STOPPED || state[i] == MUTE || conf[i] < Y - ALONE_MARGIN -> alone[i] = 0
	:: else ->
		if
		:: lease[i] > 0 && !sIntent[i] -> alone[i] = 1
		:: else
		fi
	fi;
	if
	:: (state[i] == RUNNING || state[i] == QUIET) && lease[i] == 0 -> silenced(i)
	:: (state[i] == RUNNING || state[i] == QUIET) && lease[i] > 0 ->
		n = (gone[i] || alone[i] -> SOLO(i) : Y - conf[i]);
		lease[i] = (n > lease[i] -> n : lease[i])
	:: else
	fi
#ifdef NO_O5
	;
	if
	:: state[i] == MUTE && !sIntent[i] -> state[i] = RUNNING; lease[i] = Y; alone[i] = 1
	:: else
	fi
#endif
}

/* agree is O6 and H1. */
inline agree(i) {
	skip;
#ifndef NO_O6
	if
	:: silence[i] < D && sIntent[i] && UNSURE(i) && state[i] == RUNNING -> stop(i)
	:: silence[i] < D && sIntent[i] && UNSURE(i) && state[i] == QUIET -> silenced(i)
	:: else
	fi;
#endif
#ifndef NO_H1
	if
	:: silence[i] < D && echoes[i] && state[i] == RUNNING && said[i] == RUNNING && sLater[i] -> stop(i)
	:: silence[i] < D && echoes[i] && state[i] == MUTE && said[i] == RUNNING -> stop(i)
	:: silence[i] < D && echoes[i] && (state[i] == MUTE || (state[i] == QUIET && !offer[i])) &&
	   (said[i] == MUTE || (said[i] == QUIET && !sOffer[i])) && sLater[i] -> stop(i)
	:: else
	fi
#endif
}

/* look is H2 for an owner, and for a standby the announcements that spoil its probes (S4). */
inline look(i) {
	if
	:: state[i] == RUNNING && UNSURE(i) && ((calls[1-i] && front[i]) || (calls[i] && front[0] && front[1] && voice[1-i])) ->
		meets[i]++;
		if
		:: meets[i] > PATIENCE(i) -> stop(i); hold[i] = D
		:: else
		fi
	:: else -> meets[i] = 0
	fi;
	if
	:: calls[1-i] && front[i] && gone[i] -> gone[i] = 0; conf[i] = 0
	:: else
	fi;
#ifndef NO_ANNOUNCED
	if
	:: state[i] != RUNNING && calls[1-i] && front[i] && !SPEAKS(i) -> heard[i] = 2
	:: else
	fi
#endif
}

#define STANDS(i) (claim[i] > 0 && echoes[i] && FRESH(i) && conf[i] + 1 < claim[i] && said[i] == STOPPED && !sOffer[i] && (!sClaim[i] || i == 0))

/* want finds the way to the group, says claim and intent, and decides about a probe. */
inline want(i) {
	if
	:: state[i] == RUNNING || left[i] || hold[i] > 0 -> way[i] = WAITING
	:: else ->
		if
		:: !gone[i] && silence[i] >= D - LEAD -> way[i] = BYSILENCE
		:: gone[i] -> way[i] = BYLEAVE
		:: PEERUP(i) && sOffer[i] && !offer[i] && FRESH(i) && state[i] != MUTE -> way[i] = BYOFFER
		:: PEERUP(i) && !sOffer[i] && !offer[i] && said[i] == STOPPED && (OWNS(i) || i == 0) -> way[i] = BYCLAIM
		:: else -> way[i] = WAITING
		fi
	fi;
	if
	:: way[i] == BYCLAIM -> UPTO(claim[i], Y + 1)
	:: else -> claim[i] = 0
	fi;
	if
	:: way[i] == BYSILENCE && !offer[i] && !barred[i] -> UPTO(intent[i], LEAD + 1)
	:: else -> intent[i] = 0
	fi;
	probes[i] = ((way[i] == BYSILENCE && !offer[i] && (barred[i] || (silence[i] >= D && intent[i] > LEAD))) ||
		way[i] == BYLEAVE || (way[i] == BYCLAIM && STANDS(i) && state[i] != QUIET));
	if
	:: way[i] == BYSILENCE -> skip
	:: else -> barred[i] = 0
	fi
}

/* place takes the next step: M1, and S1 to S6 with what the probe found. */
inline place(i) {
	if
	:: way[i] == BYOFFER -> take(i)
	:: way[i] == BYCLAIM && STANDS(i) && state[i] == QUIET -> take(i)
#ifdef NO_S4
	:: probes[i] -> take(i)
#else
	:: probes[i] && front[0] && front[1] && voice[1-i] ->
		barred[i] = 1; intent[i] = 0;
		if
		:: state[i] == MUTE -> stop(i)
		:: else
		fi
#ifndef NO_FOREIGN
	:: probes[i] && !(front[0] && front[1] && voice[1-i]) && probes[1-i] && front[i] ->
		barred[i] = 0; hold[i] = (i == 0 -> 2 : D); intent[i] = 0
	:: probes[i] && !(front[0] && front[1] && voice[1-i]) && !(probes[1-i] && front[i]) ->
#else
	:: probes[i] && !(front[0] && front[1] && voice[1-i]) ->
#endif
		if
		:: barred[i] && way[i] == BYSILENCE -> barred[i] = 0 /* the intent comes first */
		:: heard[i] == 0 && !(barred[i] && way[i] == BYSILENCE) -> take(i)
		:: else
		fi
#endif
	:: else
	fi
}

/* drain is what a quiet owner does. */
inline drain(i) {
	if
	:: state[i] == QUIET && PEERUP(i) && said[i] == RUNNING && !offer[i] -> stop(i)
	:: state[i] == QUIET && PEERUP(i) && (said[i] == RUNNING || said[i] == MUTE) && offer[i] -> offer[i] = 0
	:: state[i] == QUIET && !PEERUP(i) -> offer[i] = 0
	:: state[i] != QUIET -> offer[i] = 0
	:: else
	fi;
#ifdef NO_K3
	if
	:: state[i] == QUIET && said[i] == RUNNING -> still[i] = 1
	:: else
	fi
#endif
}

inline decide(i) {
	if
	:: mode[i] == UP ->
		entitle(i); agree(i); look(i);
		drain(i); want(i)
	:: else
	fi
}

inline settle(i) {
	if
	:: mode[i] == UP -> place(i)
	:: else
	fi
}

/* With -DTELL a replay (spin -t) draws each tick: what works, and for each node
   mode, state, lease, quiet, silence, conf, alone, claim, intent, hold, epoch. */
#ifdef TELL
#define DRAW(i) printf("  | m%d s%d lease %d still %d sil %d conf %d alone %d cl %d int %d off %d hold %d ep %d", mode[i], state[i], lease[i], still[i], silence[i], conf[i], alone[i], claim[i], intent[i], offer[i], hold[i], epoch[i])
#else
#define DRAW(i)
#endif

inline tick() {
#ifdef TELL
	printf("to0 %d to1 %d, front to0 %d to1 %d\n", link[0], link[1], front[0], front[1]);
	printf("before"); DRAW(0); DRAW(1); printf("\n");
#endif
	pass(0); pass(1);
	hear(0); hear(1);
	decide(0); decide(1);
	settle(0); settle(1);
	n = (epoch[0] < epoch[1] -> epoch[0] : epoch[1]);
	epoch[0] = epoch[0] - n; epoch[1] = epoch[1] - n;
#ifdef TELL
	printf("after "); DRAW(0); DRAW(1); printf("\n");
#endif
	link[0] = 0; link[1] = 0; front[0] = 0; front[1] = 0
}

inline either(x) { if :: x = 0 :: x = 1 fi }

/* Things that may happen to one node between two ticks. */
inline event(i) {
	if
	:: CRASH && mode[i] != OFF -> stop(i); forget(i); mode[i] = OFF
	:: KILL && (mode[i] == UP || mode[i] == FROZEN) -> forget(i); mode[i] = DEAD
	:: mode[i] == OFF || mode[i] == DEAD -> start(i)
	:: FREEZE && mode[i] == UP -> mode[i] = FROZEN
	:: mode[i] == FROZEN -> mode[i] = UP
#ifdef WAKE_ANEW
		; intent[i] = 0;
		if
		:: gone[i] -> gone[i] = 0; silence[i] = 0; conf[i] = Y
		:: else
		fi
#endif
	:: LEAVE && mode[i] == UP && !left[i] -> stop(i); forget(i); left[i] = 1
	:: MOVE && mode[i] == UP && state[i] == RUNNING && lease[i] > 0 && PEERUP(i) &&
	   (said[i] == STOPPED || (said[i] == QUIET && !sOffer[i])) ->
		state[i] = QUIET; offer[i] = 1
#ifndef NO_K3
		; still[i] = 1
#endif
	:: MOVE && mode[i] == UP && state[i] == QUIET && offer[i] -> offer[i] = 0    /* its patience is over */
	fi
}

/* some says which of two ways between the nodes works in this tick: at least one (EITHER). */
inline some() {
	if
	:: link[0] = 1; link[1] = 1; either(front[0]); front[1] = front[0]
	:: front[0] = 1; front[1] = 1; if :: true :: link[0] = 1 :: link[1] = 1 fi
	fi
}

inline free() {
	if
	:: ANCHOR == LINK || ANCHOR == LINK10 -> link[0] = 1
	:: else -> either(link[0])
	fi;
	if
	:: ANCHOR == LINK || ANCHOR == LINK01 -> link[1] = 1
	:: else ->
		if :: HALFLINK -> either(link[1]) :: else -> link[1] = link[0] fi
	fi;
	if
	:: ANCHOR == FRONT -> front[0] = 1; front[1] = 1
	:: else ->
		either(front[0]);
		if :: HALFFRONT -> either(front[1]) :: else -> front[1] = front[0] fi
	fi
}

inline weather() { if :: ANCHOR == EITHER -> some() :: else -> free() fi }

inline mend(i) {
	if
	:: mode[i] == DEAD || mode[i] == OFF || left[i] -> start(i)
	:: mode[i] == FROZEN && !left[i] -> mode[i] = UP
	:: else
	fi
}

/* after plays BOUND ticks of an undisturbed world, and judges the last of them. */
inline after() {
	if
	:: CHECK == SURVIVOR -> stop(order); forget(order); mode[order] = OFF
	:: else -> mend(0); mend(1)
	fi;
	k = 0; bad = 0;
	do
	:: k == BOUND -> break
	:: else ->
		link[0] = (CHECK == HEALED || CHECK == BYLINK); link[1] = link[0];
		front[0] = (CHECK == HEALED || CHECK == BYFRONT || (CHECK == BYHALF && order == 0));
		front[1] = (CHECK == HEALED || CHECK == BYFRONT || (CHECK == BYHALF && order == 1));
		tick();
		k++;
		if
		:: CHECK == HEALED && k == BOUND && ANSWERS(0) + ANSWERS(1) != 1 -> bad = 1
		:: (CHECK == BYLINK || CHECK == BYFRONT) && k == BOUND && ANSWERS(0) && ANSWERS(1) -> bad = 1
		:: CHECK == BYHALF && k > BOUND - 2 * D && ANSWERS(0) && ANSWERS(1) -> bad = 1
		:: CHECK == SURVIVOR && !ANSWERS(1-order) -> bad = 1
		:: else
		fi
	od;
	k = 0; order = 0
}

#define STEADYOWNER(i) (mode[i] == UP && mode[1-i] == UP && state[i] == RUNNING && lease[i] > 0 && FRESH(i) && conf[i] <= 1 && !left[1-i] && state[1-i] == STOPPED && !sIntent[i] && intent[1-i] == 0)

init {
	mode[0] = UP; mode[1] = UP; met[0] = 1; met[1] = 1; echoes[0] = 1; echoes[1] = 1;
	state[0] = RUNNING; lease[0] = Y; said[1] = RUNNING;
	do
	:: atomic {
		if :: true :: event(0) :: event(1) fi;
		weather();
		d_step { tick() };
		assert(CHECK != NEVERTWO || !(ANSWERS(0) && ANSWERS(1)))
	}
	:: atomic { CHECK != NEVERTWO && (CHECK != SURVIVOR || STEADYOWNER(0) || STEADYOWNER(1)) ->
		if
		:: CHECK == BYHALF -> either(order)
		:: CHECK == SURVIVOR && STEADYOWNER(0) -> order = 1
		:: CHECK == SURVIVOR && STEADYOWNER(1) -> order = 0
		:: CHECK != SURVIVOR && CHECK != BYHALF
		fi;
		d_step { after() };
		assert(!bad);
		break
	}
	od
}
