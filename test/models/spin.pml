/* The spinlock of kernel/lock/turns.go. Each CPU takes the lock twice, and makes a plain store under it. Plain
 * stores go into the CPU's store buffer, in order, and reach memory later: the store under the lock, and then the
 * release. A locked instruction waits until its CPU's buffer is empty.
 *
 * A CPU that waits may stand still, and run again at any time. patience is exact here: a CPU takes the lock out of
 * turn only if all CPUs that go first stand still. With -DSTOPS one CPU alone stands still while it waits, forever,
 * and the others must come to their end.
 *
 * Faulty on purpose, for the checker to find: -DBUG1 lets the release overtake the store before it. -DBUG2 looks
 * at the lock and takes it in two steps. -DBUG3, with -DSTOPS, never takes the lock out of turn.
 */
#define CPUS 3
#define ROUNDS 2
#define MOST 1           /* mostPassed */

bit held = 0;            /* the parts of Spin.word */
bit claimed = 0;
byte waiting = 0;
byte next = 0;
byte turn = 0;
byte data = 0;           /* written under the lock */
byte inside = 0;
byte claimer = CPUS;

bit storing[CPUS];       /* store buffers: at most one store under the lock, */
byte stored[CPUS];
bit releasing[CPUS];     /* and one release */

bit waits[CPUS];
byte mine[CPUS];
bit still[CPUS];         /* stands still */

#ifdef BUG1
#define DRAINED true
#else
#define DRAINED !storing[me]
#endif

/* A CPU's buffer drains at some time, the oldest store first. */
proctype buffer(byte me) {
end_buffer:
	do
	:: d_step { storing[me] -> data = stored[me]; storing[me] = 0 }
	:: d_step { releasing[me] && DRAINED -> held = 0; releasing[me] = 0 }
	od
}

#define EMPTY (!storing[me] && !releasing[me])

/* CPU i runs, and goes before CPU me: it has an earlier turn, or has claimed the lock. */
#define EARLIER(i) (i != me && waits[i] && !still[i] && mine[i] < mine[me])
#define CLAIMS(i) (i != me && waits[i] && !still[i] && claimer == i)

#ifdef BUG3
#define OUT_OF_TURN false
#else
#define OUT_OF_TURN (!EARLIER(0) && !EARLIER(1) && !EARLIER(2))
#endif
#define MAY_TAKE (turn >= mine[me] + MOST || \
	(mine[me] <= turn || OUT_OF_TURN) && (!claimed || !CLAIMS(0) && !CLAIMS(1) && !CLAIMS(2)))

proctype cpu(byte me) {
	byte round = 0;
	byte seen;
	do
	:: round == ROUNDS -> break
	:: round < ROUNDS ->
		if
		:: d_step { EMPTY && !held && !claimed && waiting == 0 -> held = 1 }
		:: d_step { EMPTY && (held || claimed || waiting != 0) -> waiting++ };
			d_step { mine[me] = next; next++; waits[me] = 1 };
			do
#ifdef STOPS
			:: me == 0 -> still[me] = 1; goto stopped
#else
			:: d_step { !still[me] -> still[me] = 1 }
			:: still[me] -> still[me] = 0
#endif
			:: d_step { !still[me] && held && turn >= mine[me] + MOST && !claimed -> claimed = 1; claimer = me }
#ifdef BUG2
			:: !still[me] && !held && MAY_TAKE -> d_step { held = 1; claimed = 0; claimer = CPUS; waiting-- }; break
#else
			:: d_step { !still[me] && !held && MAY_TAKE -> held = 1; claimed = 0; claimer = CPUS; waiting-- }; break
#endif
			od;
			skip;
			d_step {
				waits[me] = 0;
				if
				:: mine[me] >= turn -> turn = mine[me] + 1
				:: else
				fi;
				assert(turn <= next)
			}
		fi;
		inside++;
		assert(inside == 1);
		seen = data;
		d_step { stored[me] = seen + 1; storing[me] = 1 };
		inside--;
		releasing[me] = 1;
		round++
	od;
	skip;
stopped:
end_stopped:
	skip
}

init {
	atomic {
		run buffer(0); run buffer(1); run buffer(2);
		run cpu(0); run cpu(1); run cpu(2)
	};
#ifndef STOPS
	_nr_pr == 1 + CPUS;
	!storing[0] && !releasing[0] && !storing[1] && !releasing[1] && !storing[2] && !releasing[2];
	assert(data == CPUS * ROUNDS && waiting == 0 && !held && !claimed)
#endif
}
