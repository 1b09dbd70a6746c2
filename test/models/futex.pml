/* Futexes, over tokens: waitFutex, wakeFutex, leaveFutex and move of kernel/linux/futex.go and futexqueue.go, and
 * ParkUntil, Prepare, Ready and nowParked of kernel/sched/park.go. Two tasks wait while the word is 0, the first one with a
 * deadline. Another one stores 1 and wakes both. With -DREQUEUE a third one moves those that wait to another word, and
 * wakes them there.
 *
 * Each task has a CPU of its own. The program's store to the word, and a lock's release, are plain stores: they go into the
 * CPU's store buffer, and reach memory later, in order. The stores of token and state are XCHG. A locked instruction waits
 * until its CPU's buffer is empty. No CPU looks at what a bucket's lock guards without it, so those stores come at once. The
 * store of taken is a plain one, and its task looks at it without a lock.
 *
 * All tasks come to their end, as many waiters return 0 as wakers have counted, and no task is touched after its end.
 *
 * Faulty on purpose, for the checker to find:
 * -DBUG1 waitFutex compares the word before it takes the lock.   -DBUG5 Prepare comes after the lock's release.
 * -DBUG2 wakeFutex looks for waiters without the lock.           -DBUG6 a wait that expires is not compared with wake-ups.
 * -DBUG3 leaveToken stores the token by a plain store.           -DBUG7 nowParked makes the thread ready without a swap.
 * -DBUG4 nowParked stores the state by a plain store.            -DBUG8 nowParked looks for the token first.
 * -DBUG9, with -DREQUEUE, leaveFutex does not look again whether the task is still in the bucket that it locked.
 * -DBUG10 the store of taken comes before Prepare.
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#define WAKER 2          /* CPUs: the waiters have 0 and 1 */
#define MOVER 3
#define TIMER 4
#define CPUS 5
#define NOTHING 0        /* what is in a store buffer: nothing, the word, a lock's release, */
#define WORD 1
#define RELEASE 2        /* + the lock */
#define TOKEN 5          /* + the task, with -DBUG3 */
#define STATE 7          /* with -DBUG4, */
#define TAKEN 8          /* + the task */

mtype = { Running, Parked, Ready };              /* Thread.state */
mtype = { Woken, Again, TimedOut };              /* 0, EAGAIN, ETIMEDOUT */

bit word = 0;
byte held[3] = CPUS;     /* the locks of the buckets, and futexTable.moves: the CPU that holds one */
#define MOVES 2
chan queue[2] = [WAITERS] of { byte };
bit waits[WAITERS];      /* Task.waits */
byte bucket[WAITERS];    /* Task.bucket: its number + 1 */
bit token[WAITERS];
bit taken[WAITERS];      /* Task.taken */
mtype state[WAITERS] = Running;
bit runnable[WAITERS];   /* in a run queue */
bit ended[WAITERS];
bit armed, timers;       /* Timer.armed of task 0, and the lock of its queue */
byte counted, returned, done;
byte buffer[CPUS];
#define EMPTY(c) (buffer[c] == NOTHING)

/* A CPU's store reaches memory at some time. */
proctype drain(byte c) {
end_drain:
	do
	:: d_step {
		buffer[c] != NOTHING ->
		if
		:: buffer[c] == WORD -> word = 1
		:: buffer[c] >= RELEASE && buffer[c] < TOKEN -> held[buffer[c] - RELEASE] = CPUS
#ifdef BUG3
		:: buffer[c] >= TOKEN && buffer[c] < STATE -> token[buffer[c] - TOKEN] = 1
#endif
#ifdef BUG4
		:: buffer[c] == STATE -> state[c] = Parked
#endif
		:: buffer[c] >= TAKEN -> assert(!ended[buffer[c] - TAKEN]); taken[buffer[c] - TAKEN] = 1
		fi;
		buffer[c] = NOTHING
	}
	od
}

inline lock(c, l) { d_step { EMPTY(c) && held[l] == CPUS -> held[l] = c } }
inline unlock(c, l) { d_step { EMPTY(c) -> buffer[c] = RELEASE + l } }  /* a lock's holder has nothing else there */

/* enqueue: the run queue of some CPU. */
inline enqueue(t) { d_step { assert(!ended[t] && !runnable[t]); runnable[t] = 1 } }

/* leaveToken */
inline leaveToken(c, t) {
#ifdef BUG3
	d_step { EMPTY(c) -> assert(!ended[t]); buffer[c] = TOKEN + t };
#else
	d_step { EMPTY(c) -> assert(!ended[t]); token[t] = 1 };
#endif
	ready = 0;
	if
	:: state[t] == Parked -> d_step { EMPTY(c) -> ready = state[t] == Parked; state[t] = (ready -> Ready : state[t]) }
	:: state[t] != Parked
	fi
}

/* nowParked, and enqueue if it reports true. */
inline nowParked(t) {
#ifdef BUG8
	ready = token[t];
	d_step { EMPTY(t) -> state[t] = Parked };
#else
#ifdef BUG4
	d_step { EMPTY(t) -> buffer[t] = STATE };
#else
	d_step { EMPTY(t) -> state[t] = Parked };
#endif
	ready = token[t];
#endif
	if
	:: ready ->
#ifdef BUG7
		d_step { EMPTY(t) -> state[t] = Ready };
#else
		d_step { EMPTY(t) -> ready = state[t] == Parked; state[t] = (ready -> Ready : state[t]) };
#endif
		if
		:: ready -> enqueue(t)
		:: else
		fi
	:: else
	fi
}

/* ParkUntil; expired is its second result. Task 1 has no deadline. */
inline parkUntil(t) {
	expired = 0;
	if
	:: token[t] -> d_step { EMPTY(t) -> token[t] = 0 }
	:: else ->
		if
		:: t == 0 -> d_step { EMPTY(t) && !timers -> armed = 1 }
		:: else
		fi;
		do
		:: nowParked(t);
			d_step { runnable[t] -> runnable[t] = 0 };
			d_step { EMPTY(t) -> state[t] = Running };
			if
			:: token[t] -> d_step { EMPTY(t) -> token[t] = 0 }; break
			:: else
			fi
		od;
		skip;
		if
		:: t == 0 -> d_step { EMPTY(t) && !timers -> expired = !armed; armed = 0 }
		:: else
		fi
	fi
}

/* Of the lock of b, which is held: leaveFutex after its look at the bucket, and leaveMoved. */
inline leave(t, b) {
	d_step {
		assert(held[b] == t);
		woken = !waits[t];
		left = expired && !woken;
		if
		:: left -> assert(bucket[t] == b + 1); waits[t] = 0; queue[b]??eval(t)
		:: else
		fi
	}
}

proctype waiter(byte me) {
	bit ready, expired, woken, left, seen;
	byte b;
	mtype result;
#ifdef BUG1
	seen = word;
	lock(me, 0);
#else
	lock(me, 0);
	seen = word;             /* Peek32 */
#endif
	if
	:: seen -> unlock(me, 0); result = Again; goto over
	:: else -> d_step { bucket[me] = 1; waits[me] = 1; queue[0]!me }
	fi;
	unlock(me, 0);           /* join */
	do
	:: parkUntil(me);
		if
		:: taken[me] -> result = Woken; break
		:: else
		fi;
#ifdef BUG6
		if
		:: expired ->
			lock(me, 0);
			d_step {
				if
				:: waits[me] -> waits[me] = 0; queue[0]??eval(me)
				:: else
				fi
			};
			unlock(me, 0);
			result = TimedOut;
			break
		:: else
		fi;
#endif
		b = bucket[me];          /* leaveFutex */
		if
		:: b != 0 ->
			lock(me, b - 1);
			if
#ifdef BUG9
			:: true -> leave(me, b - 1); unlock(me, b - 1)
#else
			:: bucket[me] == b -> leave(me, b - 1); unlock(me, b - 1)
			:: bucket[me] != b -> unlock(me, b - 1); b = 0
#endif
			fi
		:: else
		fi;
		if
		:: b == 0 ->             /* leaveMoved */
			lock(me, MOVES);
			b = bucket[me];
			lock(me, b - 1);
			leave(me, b - 1);
			unlock(me, b - 1);
			unlock(me, MOVES)
		:: else
		fi;
		if
		:: woken -> result = Woken; break
		:: !woken && left -> result = TimedOut; break
		:: else
		fi
	od;
over:
	skip;
	d_step {
		EMPTY(me) -> ended[me] = 1;
		returned = (result == Woken -> returned + 1 : returned);
		done++
	}
}

/* wakeSeveral for all: Prepare under the lock, and Ready after it. */
inline wake(c, b) {
#ifdef BUG2
	if
	:: len(queue[b]) == 0 -> goto none
	:: else
	fi;
#endif
	lock(c, b);
	do
	:: queue[b]?t ->
		d_step { waits[t] = 0; counted++ };
#ifdef BUG5
		toWake[t] = 1
#else
#ifdef BUG10
		d_step { EMPTY(c) -> buffer[c] = TAKEN + t };
#endif
		leaveToken(c, t);
		toWake[t] = ready;
#ifndef BUG10
		d_step { EMPTY(c) -> buffer[c] = TAKEN + t }
#endif
#endif
	:: empty(queue[b]) -> break
	od;
	skip;
	unlock(c, b);
	t = 0;
	do
	:: t < WAITERS && toWake[t] ->
		toWake[t] = 0;
#ifdef BUG5
		leaveToken(c, t);
		if
		:: ready -> enqueue(t)
		:: else
		fi;
#else
		enqueue(t);
#endif
		t++
	:: t < WAITERS && !toWake[t] -> t++
	:: t == WAITERS -> break
	od
}

proctype waker() {
	byte t;
	bit ready, toWake[WAITERS];
	d_step { EMPTY(WAKER) -> buffer[WAKER] = WORD };  /* the program's */
	wake(WAKER, 0);
none:
	done++
}

/* move, and a wake-up at the other word. */
proctype mover() {
	byte t;
	bit ready, toWake[WAITERS];
	lock(MOVER, MOVES);
	do
	:: lock(MOVER, 0);
		if
		:: queue[0]?t -> d_step { EMPTY(MOVER) -> waits[t] = 0; bucket[t] = 0 }
		:: empty(queue[0]) -> break
		fi;
		unlock(MOVER, 0);
		lock(MOVER, 1);
		d_step { bucket[t] = 2; waits[t] = 1; queue[1]!t };
		unlock(MOVER, 1)
	od;
	skip;
	unlock(MOVER, 0);
	unlock(MOVER, MOVES);
	wake(MOVER, 1);
none:
	done++
}

/* A timer leaves its token under the lock of its queue. */
proctype timer() {
	bit ready;
end_timer:
	do
	:: d_step { EMPTY(TIMER) && armed && !timers -> timers = 1; armed = 0 };
		leaveToken(TIMER, 0);
		if
		:: ready -> enqueue(0)
		:: else
		fi;
		timers = 0
	od
}

init {
	byte c;
	atomic {
		for (c : 0 .. CPUS - 1) { run drain(c) };
		for (c : 0 .. WAITERS - 1) { run waiter(c) };
		run waker(); run timer();
#ifdef REQUEUE
		run mover();
		done == WAITERS + 2;
#else
		done == WAITERS + 1;
#endif
	};
	assert(counted == returned)
}
