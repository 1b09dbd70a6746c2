/* TLB flushes that CPUs request from each other: kernel/mem/tlb.go and posted.go, over the pending word of
 * kernel/ipi/ipi.go, and Enter and LeaveUser of kernel/mem/space.go.
 *
 * CPU 0 takes a page of a space away, frees it, maps another one there, and takes that away too (Space.Zap). Lazy CPUs
 * may flush later. CPU 2 frees a page table of the space; lazy CPUs flush at once. Both CPUs run threads of the space,
 * and request flushes from each other. CPU 1 goes between a thread of the space and threads of the kernel. The hardware of
 * each CPU loads translations as soon as it can. No IPI is lost here: call.pml has that.
 *
 * atom.Store is an XCHG, and a locked instruction waits until its CPU's store buffer is empty, as do interrupts and writes of
 * CR3. One store is plain here: what BeLazy writes, because its comment says that a plain store would do.
 *
 * Faulty on purpose, for the checker to find:
 * -DBUG1 Answer loads the number of requests after the flush.     -DBUG6 late looks at Lazy once.
 * -DBUG2 flushOthers makes its request, and posts the page then.  -DBUG7 catchUp does not look for open requests.
 * -DBUG3 await does not answer.                                   -DBUG8 catchUp does not look at FlushLate.
 * -DBUG4 the page's entry is cleared by a plain store.            -DBUG9 Enter joins the set after it has loaded CR3.
 * -DBUG5 Enter clears Lazy by a plain store.                      -DBUG10 LeaveUser leaves the set before it loads CR3.
 * -DBUG11 page tables are freed without requests to lazy CPUs.
 */
#define CPUS 3
#ifndef ROUNDS
#define ROUNDS 1         /* pages that CPU 0 takes away */
#endif
#ifndef TRIPS
#define TRIPS 1          /* of CPU 1, to threads of the kernel and back */
#endif
#define NONE 0
#define PAGE 1           /* what a request is about: the page, */
#define EVERYTHING 2     /* or all */

byte entry = 1;          /* the page's entry: the frame, 0 for none */
byte freed = 0;          /* frames up to this one are free */
bit table = 1;           /* the entry of the page table */

byte tlb[CPUS] = 1;      /* a CPU's translation of the page: the frame, 0 for none */
bit walks[CPUS] = 1;     /* a CPU's paging-structure caches have the page table */
bit loaded[CPUS] = 1;    /* CPU.Space: the space is in CR3 */

bit inSet[CPUS] = 1;     /* Space.cpus */
bit lazy[CPUS];          /* Lazy, FlushLate, FlushPages (one slot), FlushAll, FlushRequests, FlushDone, Pending */
bit late[CPUS];
byte slot[CPUS];
bit all[CPUS];
byte requests[CPUS];
byte done[CPUS];
bit pending[CPUS];
bit wire[CPUS];          /* an IPI comes */
bit reads = 1;           /* CPU 1 runs a thread of the space, which may read the page at any time */
byte ended = 0;          /* CPUs that take nothing away any more */

bit storing[CPUS];       /* store buffers of one store: Lazy of CPU 1, and with -DBUG4 the entry */
bit stored;
#define EMPTY(c) !storing[c]
#define STALE(c) (tlb[c] != 0 && tlb[c] <= freed)

/* Stores reach memory at any time. */
active proctype buffers() {
end_buffers:
	do
	:: d_step { storing[1] -> lazy[1] = stored; storing[1] = 0 }
#ifdef BUG4
	:: d_step { storing[0] -> entry = 0; storing[0] = 0 }
#endif
	od
}

/* What hardware may load, it has loaded: one that waits would have less that is stale. */
#define FILL(c) tlb[c] = (loaded[c] -> entry : 0); walks[c] = loaded[c] && table

/* Loads of CR3, and INVLPG, which drops all of the paging-structure caches too. */
inline loadRoot(c, user) { d_step { EMPTY(c) -> loaded[c] = user; FILL(c) } }
inline invalidate(c) { d_step { EMPTY(c) -> FILL(c) } }

/* The next frame comes to the page, for the CPUs that have no older one in their TLBs. */
inline map(c) {
	d_step {
		EMPTY(c) -> entry = 2;
		tlb[1] = (loaded[1] && tlb[1] == 0 -> 2 : tlb[1]);
		tlb[2] = (tlb[2] == 0 -> 2 : tlb[2])
	}
}

/* raise, and its opposite in forget and flushPosted: a load, and then an XCHG if it is needed. */
inline raise(c, w) {
	if
	:: w == 0 -> d_step { EMPTY(c) -> w = 1 }
	:: w != 0
	fi
}
inline lower(c, w) {
	if
	:: w != 0 -> d_step { EMPTY(c) -> w = 0 }
	:: w == 0
	fi
}

inline forget(c) { lower(c, slot[c]); lower(c, all[c]); lower(c, late[c]) }

/* LeaveUser: c is CPU 1. */
inline leaveUser(c) {
	forget(c);
#ifdef BUG10
	d_step { EMPTY(c) -> inSet[c] = 0 };
#endif
	loadRoot(c, 0);
	d_step { EMPTY(c) -> inSet[c] = 0 }
}

/* flushPosted, with flushOwn. isLazy is what c itself reads in Lazy. */
inline flushPosted(c, isLazy) {
	what = slot[c];
	if
	:: what != NONE -> d_step { EMPTY(c) -> slot[c] = NONE }
	:: else
	fi;
	if
	:: all[c] -> what = EVERYTHING; d_step { EMPTY(c) -> all[c] = 0 }
	:: else
	fi;
	if
	:: isLazy && loaded[c] -> leaveUser(c)
	:: !(isLazy && loaded[c]) && what == EVERYTHING -> loadRoot(c, loaded[c])
	:: !(isLazy && loaded[c]) && what == PAGE -> invalidate(c)
	:: else
	fi
}

/* Answer */
inline answer(c, isLazy) {
	number = requests[c];
	if
	:: done[c] != number ->
		flushPosted(c, isLazy);
#ifdef BUG1
		number = requests[c];
#endif
		d_step { EMPTY(c) -> done[c] = number }
	:: else
	fi
}

/* onIPI, with Take: the pending word is taken before the requests are answered. */
inline interrupt(c, isLazy) {
	d_step { EMPTY(c) -> wire[c] = 0; had = pending[c]; pending[c] = 0 };
	if
	:: had -> answer(c, isLazy)
	:: else
	fi
}

/* post */
inline post(c, to, pages) {
	if
	:: pages == PAGE && slot[to] == PAGE
	:: pages == PAGE && slot[to] == NONE ->
		d_step { EMPTY(c) -> had = slot[to] == NONE; slot[to] = (had -> PAGE : slot[to]) };
		if
		:: !had -> raise(c, all[to])
		:: else
		fi
	:: pages == EVERYTHING -> raise(c, all[to])
	fi
}

/* RequestSet for one CPU, with the function that flushOthers gives it, and late. */
inline requestFrom(c, to, pages, lazyToo) {
	ask = inSet[to];
	if
	:: ask && !lazyToo && lazy[to] ->
		raise(c, late[to]);
#ifdef BUG6
		ask = false
#else
		ask = !lazy[to]
#endif
	:: else
	fi;
	if
	:: ask ->
#ifdef BUG2
		d_step { EMPTY(c) -> requests[to]++ };
		post(c, to, pages);
#else
		post(c, to, pages);
		d_step { EMPTY(c) -> requests[to]++ };
#endif
		d_step { EMPTY(c) -> wire[to] = wire[to] || !pending[to]; pending[to] = 1 }
	:: else
	fi
}

/* await */
inline await(c, to, lazyToo) {
	if
	:: inSet[to] && (lazyToo || !lazy[to]) ->
		wanted = requests[to];
		do
		:: done[to] >= wanted || !inSet[to] -> break
#ifndef BUG3
		:: requests[c] != done[c] -> answer(c, 0)
#endif
		od
	:: else
	fi;
	skip
}

/* flushOthers of CPU c, with the other two CPUs in the order of their numbers. */
inline flushOthers(c, first, second, pages, lazyToo) {
	requestFrom(c, first, pages, lazyToo);
	requestFrom(c, second, pages, lazyToo);
	await(c, first, lazyToo);
	await(c, second, lazyToo)
}

/* CPU 0: Zap, a new page, and Zap again. */
active proctype zap() {
	byte what, number, wanted;
	bit had, ask;
	do
	:: entry != 0 ->
#ifdef BUG4
		storing[0] = 1;
#else
		d_step { EMPTY(0) -> entry = 0 };
#endif
		flushOthers(0, 1, 2, PAGE, false);
		d_step { freed++; assert(!STALE(2) && (!reads || !STALE(1))) };
		if
		:: freed < ROUNDS -> map(0)
		:: else -> break
		fi
	od;
	ended++;
	do
	:: wire[0] -> interrupt(0, 0)
	:: ended == 2 -> break
	od
}

/* CPU 2: FreeTables. */
active proctype freeTables() {
	byte what, number, wanted;
	bit had, ask;
	d_step { EMPTY(2) -> table = 0 };
#ifdef BUG11
	flushOthers(2, 0, 1, EVERYTHING, false);
#else
	flushOthers(2, 0, 1, EVERYTHING, true);
#endif
	assert(!walks[0] && !walks[1]);  /* hardware does not read the table when it is free */
	ended++;
	do
	:: wire[2] -> interrupt(2, 0)
	:: ended == 2 -> break
	od
}

/* CPU 1: interrupts are on in a program, and in a window of a kernel thread. */
active proctype reader() {
	byte what, number, trips;
	bit had;
	do
	:: wire[1] -> interrupt(1, 0)
	:: trips < TRIPS ->
		trips++;
		d_step { EMPTY(1) -> reads = 0; stored = 1; storing[1] = 1 };  /* BeLazy */
		do
		:: wire[1] -> interrupt(1, 1)
		:: break
		od;
		skip;  /* Enter */
#ifdef BUG5
		d_step { EMPTY(1) -> stored = 0; storing[1] = 1 };
#else
		d_step { EMPTY(1) -> lazy[1] = 0 };
#endif
		if
		:: loaded[1] ->
			/* catchUp */
#ifndef BUG8
			if
			:: late[1] -> forget(1); loadRoot(1, 1)
			:: else
			fi;
#endif
#ifndef BUG7
			answer(1, 0)
#endif
		:: !loaded[1] ->
#ifdef BUG9
			forget(1); loadRoot(1, 1);
			d_step { EMPTY(1) -> inSet[1] = 1 }
#else
			d_step { EMPTY(1) -> inSet[1] = 1 };
			forget(1); loadRoot(1, 1)
#endif
		fi;
		d_step { reads = 1; assert(!STALE(1)) }
	:: ended == 2 -> break
	od
}
