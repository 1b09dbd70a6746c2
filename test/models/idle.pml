/* A thread that becomes ready, and CPUs that become idle: enqueue, giveIdle, giveClaimed and wakeIdle of kernel/sched/enqueue.go,
 * put, spared, spent, adopt and choose of queue.go, look and halt of idle.go, stealFrom of near.go, offer of affinity.go and
 * sendKicks of later.go.
 *
 * CPU 0 runs a thread all the time. It wakes one thread, which CPU LAST ran last, or a second one, too, which the other of CPUs 0 and 1 ran
 * last. CPUs 1 and 2 become idle again and again. A long thread waits in CPU 0's queue: the CPU that steals it runs it until
 * the others have run. A thread that was woken up parks at once. No CPU ticks.
 *
 * atom.Store is an XCHG, and a locked instruction waits until its CPU's store buffer is empty. Publish is a plain store: that of spare
 * (spared, spent), and of count in remove. The release of the lock follows it in the store buffer, if no locked instruction comes
 * between. A critical section is one step otherwise: what it reads and writes is guarded by the lock, but spare and count. The shared word
 * of the set of idle CPUs (idleSet.hint) is not here.
 *
 * All threads run, and no CPU waits forever.
 *
 * Faulty on purpose, for the checker to find:
 * -DBUG1 put stores count by a plain store.               -DBUG6 giveClaimed tells no other CPU.
 * -DBUG2 put does not say that a thread waits.            -DBUG7 look does not notice that its CPU was claimed.
 * -DBUG3 spent does not look at count.                    -DBUG8 look joins the set of idle CPUs last.
 * -DBUG4 adopt does not say that a thread waits.          -DBUG9 enqueue does not look at the set again.
 * -DBUG5 adopt tells no other CPU.
 */
#define CPUS 3
#ifndef THREADS
#define THREADS 1
#endif
#ifndef LAST
#define LAST 1
#endif

bit held[CPUS];          /* runQueue.mu */
bit spare[CPUS];
byte count[CPUS];        /* as other CPUs see it without the lock */
byte queued[CPUS];       /* the threads in the queue, guarded by the lock */
bit says[CPUS];          /* spare, as the holder of the lock knows it */
bit first = 1;           /* the long thread waits in queue 0 */
bit busy[CPUS];          /* runQueue.running: not the idle thread */
bit isFree[CPUS];        /* in the set of idle CPUs */
bit pending[CPUS];
bit wire[CPUS];
bit resched[CPUS];
byte kicks[CPUS];        /* noted: a bit for each CPU */
byte ran = 0;
byte buffer[CPUS];       /* stores to a queue's spare and count, and the release of its lock: the queue + 1, 0 for nothing */
#define EMPTY(c) (buffer[c] == 0)

/* A CPU's stores reach memory at some time. */
inline reach(c) { spare[buffer[c] - 1] = says[buffer[c] - 1]; count[buffer[c] - 1] = queued[buffer[c] - 1]; held[buffer[c] - 1] = 0; buffer[c] = 0 }
active proctype buffers() {
end_buffers:
	do
	:: d_step { buffer[0] != 0 -> reach(0) }
	:: d_step { buffer[1] != 0 -> reach(1) }
	:: d_step { buffer[2] != 0 -> reach(2) }
	od
}

#define TAKES(c, q) (EMPTY(c) && !held[q])
#define BUFFERED(c, q) held[q] = 1; buffer[c] = q + 1
#define STORED(q) spare[q] = says[q]; count[q] = queued[q]

/* ipi.Send */
inline send(c, to) {
	d_step {
		EMPTY(c) ->
		if
		:: pending[to]
		:: !pending[to] -> pending[to] = 1; wire[to] = 1
		fi
	}
}

inline kick(c, to) {
	if
	:: to == c -> resched[c] = 1
	:: else -> kicks[c] = kicks[c] | (1 << to)
	fi
}

inline sendKicks(c) {
	do
	:: kicks[c] & 1 -> kicks[c] = kicks[c] & ~1; send(c, 0)
	:: kicks[c] & 2 -> kicks[c] = kicks[c] & ~2; send(c, 1)
	:: kicks[c] & 4 -> kicks[c] = kicks[c] & ~4; send(c, 2)
	:: kicks[c] == 0 -> break
	od
}

/* claim, without the CPU not; id is CPUS if there is no member. CPU 0 never is one. */
inline claimOne(c, x, not) {
	if
	:: id == CPUS && x != not && isFree[x] -> d_step { EMPTY(c) -> id = (isFree[x] -> x : CPUS); isFree[x] = 0 }
	:: else
	fi
}
inline claim(c, not) {
	id = CPUS;
	claimOne(c, 1, not); claimOne(c, 2, not)
}

/* A CPU is claimed, and looks. */
inline wake(c, not) {
	claim(c, not);
	if
	:: id != CPUS -> kick(c, id)
	:: else
	fi
}

/* offer: for a thread that waits in queue q, if there is one. */
inline offer(c, q) {
	skip;
	d_step { TAKES(c, q) -> ok = queued[q] > 0 };
	if
	:: ok -> wake(c, q)
	:: else
	fi
}

/* bring, with put. alone is whether no other thread waits there, and none runs. */
inline bring(c, to) {
	d_step {
		TAKES(c, to) ->
		queued[to]++;
		alone = queued[to] == 1 && !busy[to];
#ifndef BUG2
		says[to] = says[to] || !alone;
#endif
#ifdef BUG1
		BUFFERED(c, to)
#else
		STORED(to)
#endif
	};
	if
	:: !busy[to] -> kick(c, to)
	:: else
	fi
}

/* enqueue, for a thread that CPU last has run. */
inline enqueue(c, last) {
	if
	:: isFree[last] -> d_step { EMPTY(c) -> id = (isFree[last] -> last : CPUS); isFree[last] = 0 }
	:: else -> id = CPUS
	fi;
	if
	:: id == CPUS -> claim(c, CPUS)
	:: else
	fi;
	if
	:: id != CPUS ->                 /* giveIdle */
		to = id;
		bring(c, to);
#ifndef BUG6
		if
		:: !alone -> offer(c, to)    /* giveClaimed */
		:: else
		fi
#endif
	:: else ->
		bring(c, last);
#ifndef BUG9
		wake(c, CPUS)                /* wakeIdle */
#endif
	fi;
	skip
}

/* next: the CPU's own queue. found is whether there is a thread. */
inline takeOwn(c) {
	d_step {
		TAKES(c, c) ->
		found = queued[c] > 0;
		if
		:: found -> queued[c]--
		:: else
		fi;
		if
		:: busy[c] != found -> busy[c] = found; STORED(c)  /* choose: running.Store */
		:: busy[c] == found && found -> BUFFERED(c, c)
		:: else
		fi
	}
}

/* stealFrom: the long thread goes first. */
inline stealFrom(c, q) {
	if
	:: !found && spare[q] ->
		if
		:: count[q] != 0 ->              /* pull */
			d_step {
				TAKES(c, q) ->
				found = queued[q] > 0;
				if
				:: found -> queued[q]--; isLong = (q == 0 && first); first = first && q != 0; BUFFERED(c, q)
				:: else
				fi
			}
		:: else
		fi;
		if
		:: found ->
			d_step {                 /* adopt */
				TAKES(c, c) ->
				ok = queued[c] > 0;
#ifndef BUG4
				says[c] = says[c] || ok;
#endif
				busy[c] = 1; STORED(c)
			};
#ifndef BUG5
			if
			:: ok -> offer(c, c)
			:: else
			fi
#endif
		:: else ->
			d_step {                 /* spent */
				TAKES(c, q) ->
#ifdef BUG3
				says[q] = 0; BUFFERED(c, q)
#else
				if
				:: queued[q] == 0 -> says[q] = 0; BUFFERED(c, q)
				:: else
				fi
#endif
			}
		fi
	:: else
	fi;
	skip
}

proctype cpu(byte me) {
	bit ok, alone, found, isLong;
	byte id, to;
	if                                       /* at first it may be idle */
	:: goto idles
	:: true
	fi;
parks:
	skip;
	d_step { ok = 0; alone = 0; found = 0; isLong = 0; id = 0; to = 0 };
	takeOwn(me);                             /* reschedule */
	stealFrom(me, (me + 1) % CPUS); stealFrom(me, (me + 2) % CPUS);
	if
	:: found -> goto runs
	:: else
	fi;
idles:
	do
	:: skip;
		d_step { resched[me] = 0; ok = 0; alone = 0; id = 0; to = 0 };
		sendKicks(me);
		skip;
#ifndef BUG8
		d_step { EMPTY(me) -> isFree[me] = 1 };  /* look */
#endif
		takeOwn(me);
		stealFrom(me, (me + 1) % CPUS); stealFrom(me, (me + 2) % CPUS);
		if
		:: found ->
			d_step { EMPTY(me) -> ok = isFree[me]; isFree[me] = 0 };
#ifndef BUG7
			if
			:: !ok -> wake(me, CPUS)        /* wakeIdle */
			:: else
			fi
#endif
		:: else
#ifdef BUG8
			-> d_step { EMPTY(me) -> isFree[me] = 1 }
#endif
		fi;
		if
		:: found -> goto runs
		:: else
		fi;
		do                               /* halt */
		:: sendKicks(me);
end_halt:
			wire[me];
			d_step { EMPTY(me) -> wire[me] = 0; resched[me] = resched[me] | pending[me]; pending[me] = 0 };
			if                       /* stays */
			:: resched[me] || count[me] != 0 || !isFree[me] -> break
			:: else
			fi
		od
	od;
runs:
	sendKicks(me);
	if
	:: isLong -> ran == THREADS
	:: else -> ran++
	fi;
	goto parks
}

proctype waker() {
	bit ok, alone;
	byte id, to;
	enqueue(0, LAST); sendKicks(0);
#if THREADS > 1
	enqueue(0, 1 - LAST); sendKicks(0);
#endif
	ran == THREADS
}

init {
	atomic {
		busy[0] = 1; queued[0] = 1; count[0] = 1; says[0] = 1; spare[0] = 1;
		run waker(); run cpu(1); run cpu(2)
	}
}
