/* Calls between CPUs: kernel/cross/cross.go over kernel/ipi/ipi.go. Two callers, one
 * target; messages may be lost and doubled, a caller may repeat its message at any
 * time and take its call back once. The target may put a call off to its next tick,
 * which looks at the pending word like a message.
 *
 * -DQUIET is the same without what heals: no message is lost or doubled, nobody
 * repeats or takes back, and the target's next tick comes only after a call was put off.
 *
 * Broken on purpose, to be found: -DBUG1 clears the pending word after the look at the
 * set; -DBUG3 puts a call off and says nothing; both with -DQUIET, as they would heal
 * otherwise. -DBUG2 lets caller and target both win the call.
 */
#define CALLERS 2

bit callers[CALLERS];    /* Callers: the target's set */
bit pending = 0;         /* CPU.Pending, the bit Call */
byte left[CALLERS];      /* OutLeft */
byte ran[CALLERS];
chan wire = [2] of { bit };

inline message() {
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
	:: !old -> message()
	:: else
	fi;
	do
	:: left[me] == 0 -> break
#ifndef QUIET
	:: left[me] != 0 && callers[me] -> pending = 1; message()               /* repeat */
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
	bit had, asked, tick;
	bool spent = false;      /* the share of this period */
end_target:
	do
	::	if               /* a message, or a tick */
		:: wire?_ -> tick = 0
#ifndef QUIET
		:: pending -> tick = 1; spent = false
#else
		:: spent -> tick = 1; spent = false
#endif
		fi;
		d_step { asked = pending;
#ifndef BUG1
			pending = 0
#endif
		};
		if
		:: !asked
		:: asked && !tick && !spent ->
			spent = true;
#ifndef BUG3
			pending = 1      /* PutBack */
#else
			skip
#endif
		:: asked ->
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
