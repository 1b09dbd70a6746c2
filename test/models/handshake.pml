/* The start of one CPU, twice in a row: kernel/percpu/handshake.go and its callers,
 * kernel/smp (batch, giveUp, barrier, Catch, StartAgain) and kernel/cpus
 * (sendINIT, sendStartup, apMain). Start-up messages may be lost, INIT takes its time,
 * the CPU may take any time or hang anywhere, and limits may expire at any moment.
 *
 * Broken on purpose, to be found: -DBUG1 puts the page away without the last INIT,
 * -DBUG2 lets the CPU be waited for before it has joined, -DBUG3 looks at the state
 * and then sends INIT, instead of taking the state by a swap, -DBUG4 makes the
 * CPU's memory anew without the wait for INIT.
 */
mtype = { Offline, Booting, Online, Acknowledged };  /* CPU.State */
mtype = { Wait, Trampoline, Past, Ready, Running, Halted };  /* where the CPU is */

mtype state = Offline;
mtype at = Wait;
bool hung = false;
bool go = false;         /* Go */
bool left = false;       /* Stage is FoundBlock or later */
bool page = false;       /* the trampoline is in its page */
bool reset = false;      /* INIT is under way */
bool sipi = false;       /* a start-up message is under way */
bool counted = false;    /* in the set whose TLB flushes are waited for */
bool silent, running;    /* reported; the boot CPU counts it */

/* sendINIT: Reset, then the message. */
inline send_init() {
	if
	:: state == Acknowledged
	:: state != Acknowledged ->
#ifdef BUG3
		state = Offline;
#else
		if
		:: atomic { state != Acknowledged -> state = Offline }
		:: atomic { state == Acknowledged -> goto refused }
		fi;
#endif
		go = false;
		reset = true
	fi;
refused:
	skip
}

inline manual_wait() { !reset }

/* sendStartup: Expect, and the block made anew if that is the first since INIT. */
inline startup() {
	if
	:: atomic { state == Offline ->
		state = Booting;
		assert(at == Wait);     /* whose memory is this? */
		left = false
	   }
	:: else
	fi;
	if
	:: sipi = true
	:: true                         /* lost */
	fi
}

/* await: until the CPU has reached Online, or the time is up. */
inline await_online() {
	if
	:: state == Online || state == Acknowledged
	:: true
	fi
}

inline barrier() {
	do
	:: state == Online -> go = true
	:: state == Acknowledged -> break
	:: true -> break                /* the time is up */
	od;
	if
	:: state == Acknowledged -> running = true
	:: else ->
		send_init();
		if
		:: state == Acknowledged -> running = true
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
	manual_wait();                  /* of a CPU that never ran it may be none */
#endif
again:
	startup();
	await_online();
	if
	:: state == Online -> goto meet
	:: else
	fi;
	if                              /* the second message, to a CPU that no slot knows */
	:: at == Wait -> startup()
	:: else
	fi;
	await_online();
	if
	:: state == Online -> goto meet
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
	:: attempt < 2 && left ->       /* on its way: waited for once more */
		await_online();
		if
		:: state == Online -> goto meet
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
	await_online();
	if
	:: state == Online -> goto meet
	:: else ->
		send_init();
		goto done
	fi;
meet:
	page = false;
	barrier();
done:
	/* Who takes part is counted, and who does not was reported. */
	assert(running == (state == Acknowledged));
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
		:: state == Booting -> state = Online; at = Ready
		:: else -> at = Halted
		fi;
#ifdef BUG2
		counted = true
#endif
	   }
	:: atomic { at == Ready && go && !hung ->
		if
		:: state == Online -> state = Acknowledged; counted = true; at = Running
		:: else -> at = Halted
		fi
	   }
	:: atomic { at != Wait && at != Running && !hung -> hung = true }
	od
}

/* Nobody waits for a CPU that does not take part; nobody runs in a page that is
 * somebody else's. */
proctype monitor() {
end_monitor:
	do
	:: atomic { counted && at != Running -> assert(false) }
	:: atomic { at == Trampoline && !page -> assert(false) }
	od
}

init { atomic { run boot(); run cpu(); run monitor() } }
