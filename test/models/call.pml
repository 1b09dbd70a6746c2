/* Calls between CPUs: kernel/cross/cross.go over kernel/ipi/ipi.go. Two callers, one
 * target. IPIs may be lost and doubled. A caller may repeat its IPI at any time and
 * withdraw its call once. The target may defer a call to its next tick, which reads the
 * pending word like an IPI.
 *
 * -DQUIET is the same without what repairs errors: no IPI is lost or doubled, no caller
 * repeats or withdraws, and the target's next tick comes only after a deferred call.
 *
 * Faulty on purpose, for the checker to find: -DBUG1 clears the pending word after the
 * look at the set; -DBUG3 defers a call without PutBack; both with -DQUIET, because a
 * repetition would repair them. -DBUG2 lets caller and target both take the call.
 */
#define CALLERS 2

bit callers[CALLERS];    /* Callers: the target's set */
bit pending = 0;         /* CPU.Pending, the bit Call */
byte left[CALLERS];      /* OutLeft */
byte ran[CALLERS];
chan wire = [2] of { bit };

inline ipi() {
	if
	:: nfull(wire) -> wire!1
	:: nfull(wire) -> wire!1; if :: nfull(wire) -> wire!1 :: full(wire) fi   /* doubled */
#ifndef QUIET
	:: skip                                                                 /* lost */
#else
	:: full(wire)
#endif
	fi
}

proctype caller(byte me) {
	bit old;
	bool withdrawn = false;
	left[me] = 1;
	callers[me] = 1;
	d_step { old = pending; pending = 1 };
	if
	:: !old -> ipi()
	:: else
	fi;
	do
	:: left[me] == 0 -> break
#ifndef QUIET
	:: left[me] != 0 && callers[me] -> pending = 1; ipi()               /* repeat */
	:: atomic { left[me] != 0 && !withdrawn && callers[me] ->
#ifndef BUG2
		callers[me] = 0;
#endif
		withdrawn = true; left[me]--
	   }
#endif
	od;
	assert(ran[me] + withdrawn == 1)
}

active proctype target() {
	byte i;
	bit had, requested, tick;
	bool spent = false;      /* the share of this period */
end_target:
	do
	::	if               /* an IPI, or a tick */
		:: wire?_ -> tick = 0
#ifndef QUIET
		:: pending -> tick = 1; spent = false
#else
		:: spent -> tick = 1; spent = false
#endif
		fi;
		d_step { requested = pending;
#ifndef BUG1
			pending = 0
#endif
		};
		if
		:: !requested
		:: requested && !tick && !spent ->
			spent = true;
#ifndef BUG3
			pending = 1      /* PutBack */
#else
			skip
#endif
		:: requested ->
			i = 0;
			do
			:: i == CALLERS -> break
			:: i < CALLERS ->
				d_step { had = callers[i]; callers[i] = 0 };
				if
				:: had -> ran[i]++; left[i]--
				:: else
				fi;
				i++
			od;
#ifdef BUG1
			pending = 0
#endif
		fi
	od
}

init { atomic { run caller(0); run caller(1) } }
