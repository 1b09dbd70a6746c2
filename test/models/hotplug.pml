/* Wake-ups while a CPU goes offline and comes back: enqueue, claim, give and put of kernel/sched/enqueue.go and queue.go,
 * leave and refuge of leave.go, Idle, look and halt of idle.go, steal of near.go, sendKicks of later.go, and Dismiss and
 * renew of kernel/percpu/handshake.go and kernel/cpus/start.go.
 *
 * CPU 0 wakes one or two threads, and runs another one all the time. CPU 1 ran the first one last, CPU 0 the second
 * one. CPU 1 goes offline and may come back, at any time, on request of a thread elsewhere. CPU 2 is idle. A thread that
 * runs parks at once, so none is offered to other CPUs. No CPU ticks but one that halts while its pending word is set (nohz.go). A CPU that is
 * offline takes no interrupts, and CPUs may send it some.
 *
 * atom.Store is an XCHG, and a locked instruction waits until its CPU's store buffer is empty. count in remove is a plain
 * store, and the release of the lock follows it in the store buffer. A release without that before it comes at once: late,
 * it would only keep others waiting. The shared word of the set of idle CPUs (idleSet.hint) is not here.
 *
 * All threads run, and a CPU that is offline has none in its queue and is not in the set of idle CPUs.
 *
 * Faulty on purpose, for the checker to find:
 * -DBUG1 put looks whether the queue is closed, and takes the lock then.   -DBUG5 put stores count by a plain store.
 * -DBUG2 giveIdle takes a refusal for success.                             -DBUG6 Dismiss sends no IPI.
 * -DBUG3 leave wakes no other CPU in its place.                            -DBUG7 a CPU with a set pending word does not tick.
 * -DBUG4 leave closes the queue after it has emptied it.                   -DBUG8 look joins the set of idle CPUs last.
 */
#define CPUS 3
#ifndef THREADS
#define THREADS 1
#endif

bit held[CPUS];          /* runQueue.mu */
bit closed[CPUS];
byte count[CPUS];        /* as other CPUs see it without the lock */
byte queued[CPUS];       /* the threads in the queue, guarded by the lock */
bit busy[CPUS];          /* runQueue.running: not the idle thread */
bit isFree[CPUS];        /* in the set of idle CPUs */
bit pending[CPUS];
bit wire[CPUS];
bit resched[CPUS];
byte kicks[CPUS];        /* noted: a bit for each CPU */
bit leaving, offline;    /* CPU 1 */
byte ran = 0;
byte buffer[CPUS];       /* count of a queue, and the release of its lock: the queue + 1, 0 for nothing */
#define EMPTY(c) (buffer[c] == 0)

/* A CPU's stores reach memory at some time. */
inline reach(c) { count[buffer[c] - 1] = queued[buffer[c] - 1]; held[buffer[c] - 1] = 0; buffer[c] = 0 }
active proctype buffers() {
end_buffers:
	do
	:: d_step { buffer[0] != 0 -> reach(0) }
	:: d_step { buffer[1] != 0 -> reach(1) }
	:: d_step { buffer[2] != 0 -> reach(2) }
	od
}

/* A critical section is one step: what it reads and writes is guarded by the lock, but count. */
#define TAKES(c, q) (EMPTY(c) && !held[q])
#define BUFFERED(c, q) held[q] = 1; buffer[c] = q + 1

/* ipi.Send */
inline send(c, to) {
	d_step {
		EMPTY(c) ->
		if
		:: pending[to]
		:: !pending[to] -> pending[to] = 1; wire[to] = !(to == 1 && offline)
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

/* claim; id is CPUS if there is no member. CPU 0 never is one. */
inline claimOne(c, x) {
	if
	:: id == CPUS && isFree[x] -> d_step { EMPTY(c) -> id = (isFree[x] -> x : CPUS); isFree[x] = 0 }
	:: else
	fi
}
inline claim(c) {
	id = CPUS;
	claimOne(c, 1); claimOne(c, 2)
}

/* give, with put; ok is its result. A CPU that runs no thread is to look. */
inline give(c, to) {
#ifdef BUG1
	ok = !closed[to];
#endif
	d_step {
		TAKES(c, to) ->
#ifndef BUG1
		ok = !closed[to];
#endif
		better = ok && !busy[to];
		if
		:: ok ->
			queued[to]++;
#ifdef BUG5
			BUFFERED(c, to)
#else
			count[to] = queued[to]
#endif
		:: else
		fi
	};
	if
	:: better -> kick(c, to)
	:: else
	fi
}

/* enqueue, for a thread that CPU last has run. */
inline enqueue(c, last) {
	ok = 0;
	claim(c);
	do
	:: id != CPUS && !ok ->                  /* giveIdle */
		give(c, id);
#ifdef BUG2
		ok = 1;
#endif
		if
		:: !ok -> claim(c)
		:: else
		fi
	:: id == CPUS || ok -> break
	od;
	if
	:: !ok ->
		give(c, last);
		if
		:: !ok ->                        /* refuge; CPU 0 and CPU 2 take threads */
			give(c, (last + 1) % CPUS)
		:: else
		fi;
		claim(c);                  /* wakeIdle */
		if
		:: id != CPUS -> kick(c, id)
		:: else
		fi
	:: else
	fi
}

/* leave: c is CPU 1. */
inline leave(c) {
#ifndef BUG4
	d_step { TAKES(c, c) -> closed[c] = 1 };
#endif
	if
	:: isFree[c] -> d_step { EMPTY(c) -> isFree[c] = 0 }
	:: else
	fi;
	do
	:: count[c] == 0 -> break                /* pull */
	:: count[c] != 0 ->
		d_step {
			TAKES(c, c) ->
			found = queued[c] > 0;
			if
			:: found -> queued[c]--; BUFFERED(c, c)
			:: else
			fi
		};
		if
		:: found -> enqueue(c, 1)
		:: else
		fi;
		EMPTY(c)                         /* what follows in the code is a locked instruction */
	od;
	skip;
#ifdef BUG4
	d_step { TAKES(c, c) -> closed[c] = 1 };
#endif
#ifndef BUG3
	claim(c);
	if
	:: id != CPUS -> kick(c, id)
	:: else
	fi;
#endif
	sendKicks(c);
	resched[c] = 0;
	d_step { EMPTY(c) -> offline = 1; leaving = 0; assert(queued[c] == 0 && !isFree[c]) }
}

/* The CPU's own queue, and then another CPU's: next and steal. found is whether there is a thread. */
inline takeFrom(c, q) {
	d_step {
		TAKES(c, q) ->
		found = queued[q] > 0;
		if
		:: found -> queued[q]--; BUFFERED(c, q)
		:: else
		fi;
		busy[c] = (q == c -> found : busy[c])  /* choose */
	}
}
inline stealFrom(c, q) {
	if
	:: !found && count[q] != 0 ->
		takeFrom(c, q);
		if
		:: found -> d_step { TAKES(c, c) -> busy[c] = 1 }  /* adopt */
		:: else
		fi
	:: else
	fi
}

proctype cpu(byte me) {
	bit ok, better, found, ticks;
	byte id;
restart:
	do
	:: d_step { resched[me] = 0; ok = 0; better = 0; found = 0; ticks = 0; id = 0 };
		sendKicks(me);
		if
		:: me == 1 && leaving -> break
		:: else
		fi;
#ifdef BUG8
		takeFrom(me, me);
		stealFrom(me, (me + 1) % CPUS); stealFrom(me, (me + 2) % CPUS);
		if
		:: !found -> d_step { EMPTY(me) -> isFree[me] = 1 }
		:: else
		fi;
#else
		d_step { EMPTY(me) -> isFree[me] = 1 };  /* look */
		takeFrom(me, me);
		stealFrom(me, (me + 1) % CPUS); stealFrom(me, (me + 2) % CPUS);
		if
		:: found ->
			d_step { EMPTY(me) -> ok = isFree[me]; isFree[me] = 0 };
			if
			:: !ok ->        /* wakeIdle */
				claim(me);
				if
				:: id != CPUS -> kick(me, id)
				:: else
				fi
			:: else
			fi
		:: else
		fi;
#endif
		if
		:: found -> ran++; goto restart
		:: else
		fi;
		do                               /* halt */
		:: sendKicks(me);
			ticks = pending[me];
#ifdef BUG7
			ticks = 0;
#endif
end_halt:
			if
			:: wire[me]
			:: ticks && pending[me]
			fi;
			d_step { EMPTY(me) -> wire[me] = 0; resched[me] = resched[me] | pending[me]; pending[me] = 0 };
			if                       /* stays */
			:: resched[me] || count[me] != 0 || !isFree[me] || (me == 1 && leaving) -> break
			:: else
			fi
		od
	od;
	leave(me);
	/* apMain, after INIT and SIPI */
end_offline:
	!offline;
	d_step { TAKES(me, me) -> closed[me] = 0 };  /* Open */
	goto restart
}

proctype waker() {
	bit ok, better;
	byte id;
	busy[0] = 1;
	enqueue(0, 1); sendKicks(0);
#if THREADS > 1
	enqueue(0, 0); sendKicks(0);
#endif
	ran == THREADS
}

/* Another thread makes CPU 1 leave, and starts it again. */
proctype teller() {
	leaving = 1;                     /* Dismiss */
#ifndef BUG6
	if
	:: d_step { pending[1] -> skip }
	:: d_step { !pending[1] -> pending[1] = 1; wire[1] = 1 }
	fi;
#endif
	offline;
	if
	:: d_step { pending[1] = 0; wire[1] = 0 };  /* renew */
		offline = 0              /* apic.Enable */
	:: true                          /* it stays offline */
	fi
}

init {
	atomic {
		run waker(); run cpu(1); run cpu(2); run teller()
	}
}
