/* The start of one CPU, twice in a row: kernel/percpu/handshake.go and its callers,
 * kernel/smp (batch, giveUp, barrier, Catch, StartAgain) and kernel/cpus
 * (SendINIT, SendStartup, apMain). SIPIs may be lost, INIT may be slow, the CPU may be
 * slow or hang anywhere, and limits may expire at any moment.
 *
 * Faulty on purpose, for the checker to find: -DBUG1 removes the page without the last
 * INIT, -DBUG2 lets flushes wait for the CPU before it is online, -DBUG3 reads the state
 * and sends INIT after that, instead of taking the state by a swap, -DBUG4 makes the
 * CPU's memory anew without the wait for INIT.
 */
mtype = { Offline, Booting, Ready, Online };  /* CPU.State */
mtype = { Wait, Trampoline, Past, Waiting, Running, Halted };  /* where the CPU is */

mtype state = Offline;
mtype at = Wait;
bool hung = false;
bool go = false;         /* Go */
bool left = false;       /* Stage is FoundBlock or later */
bool page = false;       /* the trampoline is in its page */
bool reset = false;      /* INIT is pending */
bool sipi = false;       /* a SIPI is pending */
bool counted = false;    /* in the set of CPUs for which TLB flushes wait */
bool silent, running;    /* reported as silent; counted as online */

/* SendINIT: Reset, then the INIT. */
inline send_init() {
	if
	:: state == Online
	:: state != Online ->
#ifdef BUG3
		state = Offline;
#else
		if
		:: atomic { state != Online -> state = Offline }
		:: atomic { state == Online -> goto refused }
		fi;
#endif
		go = false;
		reset = true
	fi;
refused:
	skip
}

inline manual_wait() { !reset }

/* SendStartup: Expect, and the block is made anew for the first SIPI since INIT. */
inline startup() {
	if
	:: atomic { state == Offline ->
		state = Booting;
		assert(at == Wait);     /* the CPU does not use its memory */
		left = false
	   }
	:: else
	fi;
	if
	:: sipi = true
	:: true                         /* lost */
	fi
}

/* await: until the CPU has reached Ready, or the time is up. */
inline await_ready() {
	if
	:: state == Ready || state == Online
	:: true
	fi
}

inline barrier() {
	do
	:: state == Ready -> go = true
	:: state == Online -> break
	:: true -> break                /* the time is up */
	od;
	if
	:: state == Online -> running = true
	:: else ->
		send_init();
		if
		:: state == Online -> running = true
		:: else -> silent = true
		fi
	fi
}

proctype boot() {
	byte attempt, round;
	round = 0;
start:
	silent = false;
	running = false;
	attempt = 0;
	page = true;
	send_init();
#ifdef BUG4
	if
	:: round == 0 -> manual_wait()
	:: else
	fi;
#else
	manual_wait();                  /* there may be no wait for a CPU that never ran */
#endif
again:
	startup();
	await_ready();
	if
	:: state == Ready -> goto meet
	:: else
	fi;
	if                              /* the second SIPI, for a CPU without a slot */
	:: at == Wait -> startup()
	:: else
	fi;
	await_ready();
	if
	:: state == Ready -> goto meet
	:: else
	fi;
	attempt++;
	if
	:: attempt < 2 && !left ->
		send_init();
		manual_wait();
		page = false;           /* built anew */
		page = true;
		goto again
	:: attempt < 2 && left ->       /* it has begun: one more wait */
		await_ready();
		if
		:: state == Ready -> goto meet
		:: else
		fi
	:: else
	fi;
	silent = true;
	if
	:: left -> page = false; goto catch
	:: !left ->
#ifndef BUG1
		send_init();
		manual_wait();
#endif
		page = false;
		goto done
	fi;
catch:
	await_ready();
	if
	:: state == Ready -> goto meet
	:: else ->
		send_init();
		goto done
	fi;
meet:
	page = false;
	barrier();
done:
	/* A CPU that is online is counted, and any other was reported. */
	assert(running == (state == Online));
	assert(running || silent);
	if
	:: !running && round == 0 -> round++; goto start     /* smp start */
	:: else
	fi
}

proctype cpu() {
end_cpu:
	do
	:: atomic { reset ->
		assert(at != Running);
		reset = false; sipi = false; hung = false; counted = false;
		at = Wait
	   }
	:: atomic { sipi ->
		sipi = false;
		if
		:: at == Wait -> assert(page); at = Trampoline
		:: else                 /* ignored */
		fi
	   }
	:: atomic { at == Trampoline && !hung -> assert(page); left = true; at = Past }
	:: atomic { at == Past && !hung ->
		if
		:: state == Booting -> state = Ready; at = Waiting
		:: else -> at = Halted
		fi;
#ifdef BUG2
		counted = true
#endif
	   }
	:: atomic { at == Waiting && go && !hung ->
		if
		:: state == Ready -> state = Online; counted = true; at = Running
		:: else -> at = Halted
		fi
	   }
	:: atomic { at != Wait && at != Running && !hung -> hung = true }
	od
}

/* No CPU waits for a CPU that is not online; no CPU runs in a page that is no longer
 * the trampoline's. */
proctype monitor() {
end_monitor:
	do
	:: atomic { counted && at != Running -> assert(false) }
	:: atomic { at == Trampoline && !page -> assert(false) }
	od
}

init { atomic { run boot(); run cpu(); run monitor() } }
