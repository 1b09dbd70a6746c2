/* Calls between CPUs: kernel/cross/cross.go. Two callers, one target; messages may
 * be lost and doubled, a caller may repeat its message at any time and take its
 * call back once. -DBUG1 lets the target forget the message after its look at the
 * set, and nobody repeats or takes back; -DBUG2 lets caller and target both win the call.
 */
#define CALLERS 2

bit callers[CALLERS];    /* Callers: the target's set */
bit sent = 0;            /* CallSent */
byte left[CALLERS];      /* OutLeft */
byte ran[CALLERS];
chan wire = [2] of { bit };

inline message() {
	if
	:: nfull(wire) -> wire!1
	:: nfull(wire) -> wire!1; if :: nfull(wire) -> wire!1 :: full(wire) fi   /* doubled */
#ifndef BUG1
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
	d_step { old = sent; sent = 1 };
	if
	:: !old -> message()
	:: else
	fi;
	do
	:: left[me] == 0 -> break
#ifndef BUG1
	:: left[me] != 0 && callers[me] -> message()                            /* repeat */
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
	bit had;
end_target:
	do
	:: wire?_ ->
		if
		:: !sent
		:: sent ->
#ifndef BUG1
			sent = 0;
#endif
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
			sent = 0
#endif
		fi
	od
}

init { atomic { run caller(0); run caller(1) } }
