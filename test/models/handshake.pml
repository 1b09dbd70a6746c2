/* The start of one CPU: kernel/smp/smp.go (batch, giveUp, barrier, Catch) and
 * kernel/start/ap.go (apMain), with start-up messages that may be lost, a CPU
 * that may take any time or hang anywhere, and limits that may expire at any
 * moment. -DBUG1 forgets the last INIT, -DBUG2 lets the CPU enter the set of those
 * that are waited for before it is told to go on: both must be found.
 */
mtype = { Off, Wait, Trampoline, Past, Online, Running };

mtype st = Off;          /* of the CPU */
bool page = false;       /* the trampoline is in its page */
bool go = false;         /* Go: told to go on */
bool counted = false;    /* in the set whose TLB flushes are waited for */
bool hung = false;
bool silent = false;     /* reported */
bool running = false;    /* the boot CPU counts it */
bool sipi = false;       /* a start-up message is under way */

#define left_page (st == Past || st == Online || st == Running)

inline init_cpu() {      /* INIT is not lost, and cancels a start-up message */
	d_step {
		if
		:: st != Running -> st = Wait; sipi = false; go = false; counted = false; hung = false
		:: else
		fi
	}
}

inline startup() {
	if
	:: sipi = true
	:: skip              /* lost */
	fi
}

/* await: until the CPU is online, or the time is up. */
inline await_online() {
	if
	:: st == Online || st == Running
	:: true              /* the limit */
	fi
}

active proctype boot() {
	byte attempt = 0;
	init_cpu();
	page = true;
	startup();
again:
	await_online();
	if
	:: st == Online -> goto barrier
	:: else
	fi;
	if                   /* the second message, to a CPU that no slot knows */
	:: !left_page && st != Trampoline -> startup()
	:: else
	fi;
	await_online();
	if
	:: st == Online -> goto barrier
	:: else
	fi;
	attempt++;
	if
	:: attempt < 2 ->
		atomic {
			if
			:: !left_page -> init_cpu()
			:: else
			fi
		};
		startup();
		goto again
	:: else
	fi;
	silent = true;
	if
	:: atomic { left_page -> skip }; page = false; goto catch
	:: else -> atomic {
#ifndef BUG1
			if
			:: !left_page -> init_cpu()
			:: else -> skip
			fi
#else
			skip
#endif
		};
		page = false;
		if
		:: left_page -> goto catch   /* it left just before */
		:: else -> goto end_boot
		fi
	fi;
catch:
	await_online();
	if
	:: st == Online -> goto barrier
	:: else ->
		init_cpu();
		goto end_boot
	fi;
barrier:
	page = false;
	go = true;           /* the message may be lost: it is repeated, so it comes */
	if
	:: st == Running -> running = true
	:: true -> silent = true; atomic { if :: st != Running -> init_cpu() :: else -> running = true fi }
	fi;
end_boot:
	/* Who takes part was counted, and who was given up does not take part. */
	assert(st != Running || running);
	assert(running || silent)
}

active proctype cpu() {
end_cpu:
	do
	:: atomic { sipi && st == Wait -> sipi = false; assert(page); st = Trampoline }
	:: atomic { sipi && st != Wait -> sipi = false }         /* ignored */
	:: atomic { st == Trampoline && !hung -> assert(page); st = Past }
	:: atomic { st == Past && !hung -> st = Online;
#ifdef BUG2
		counted = true
#endif
	   }
	:: atomic { st == Online && go && !hung -> counted = true; st = Running }
	:: atomic { st != Off && st != Running && !hung -> hung = true }
	od
}

/* Nobody waits for a CPU that does not take part; nobody runs in a page that is
 * somebody else's. */
active proctype monitor() {
end_monitor:
	do
	:: atomic { counted && st != Running -> assert(false) }
	:: atomic { st == Trampoline && !page -> assert(false) }
	od
}
