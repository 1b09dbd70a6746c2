package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// newTestProcess makes a process with n tasks, numbered from 1.
func newTestProcess(c *percpu.CPU, n int) (*Process, []*Task) {
	p := &Process{ID: 1, futexes: &futexTable{}}
	p.init(nil, false)
	p.futexes.init()
	giveParts(p)
	var list []*Task
	for i := range n {
		x := &Task{proc: p, queue: &futexQueue{}}
		x.clock.usage = &x.Used
		x.pending.init()
		x.ID = uint32(i + 1)
		x.member.Key = uint64(x.ID)
		p.mu.Lock(c)
		p.add(c, x)
		p.mu.Unlock(c)
		list = append(list, x)
	}
	return p, list
}

// testParts keeps the parts of tables of timers, which have their addresses alone.
var testParts []*timerParts

func giveParts(p *Process) {
	ps := new(timerParts)
	ps.init()
	testParts = append(testParts, ps)
	p.timers.parts.Store(uintptr(unsafe.Pointer(ps)))
}

// A mask stops neither SIGKILL nor SIGSTOP; what it held back comes when it goes.
func TestSetMask(t *testing.T) {
	c := &percpu.CPU{}
	_, list := newTestProcess(c, 1)
	x := list[0]
	x.setMask(c, ^uint64(0))
	require.Equal(t, ^uint64(unblockable), x.mask.Load())
	x.pending.bits.Store(bit(SIGURG))
	x.setMask(c, bit(SIGURG))
	require.Zero(t, x.Work.Load())
	x.setMask(c, 0)
	require.EqualValues(t, workSignal, x.Work.Load())
}

// A signal to the process finds the one task that does not block it, however many do.
func TestOneTaker(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 200)
	taker := list[137]
	for _, x := range list {
		if x != taker {
			x.setMask(c, ^uint64(0))
		}
	}
	p.mu.Lock(c)
	none := 0
	require.Same(t, taker, p.taker(c, nil, SIGABRT, &none))
	p.mu.Unlock(c)
}

// Many tasks block a signal now and then. A few of them do so without a lock, so that the tree
// of tasks shows too little; the sender, and a timer, find the one that takes the signal all the same.
func TestTakerBehindLazyTasks(t *testing.T) {
	c := &percpu.CPU{}
	for _, shows := range []int{takerShows, timerShows} {
		p, list := newTestProcess(c, 200)
		taker, stale := list[137], 0
		for _, x := range list {
			if x == taker {
				continue
			}
			for _, mask := range []uint64{bit(SIGALRM), 0, bit(SIGALRM)} {
				x.setMask(c, mask)
			}
			if x.shown.Load() == 0 {
				stale++
			}
		}
		require.Equal(t, lazyTasks, stale)
		require.Equal(t, lazyTasks, p.lazies)
		p.mu.Lock(c)
		require.Same(t, taker, p.taker(c, nil, SIGALRM, &shows))
		p.mu.Unlock(c)
	}
}

// Tasks in handlers, which block more than the tree of tasks shows, are corrected a few at
// a time, for one signal as for all.
func TestTakerIsBounded(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 200)
	for _, x := range list {
		x.enterMask(c, ^uint64(0))
	}
	corrected := func() (n int) {
		for _, x := range list {
			if x.shown.Load() != 0 {
				n++
			}
		}
		return n
	}
	p.mu.Lock(c)
	p.pending.bits.Store(^uint64(unblockable))
	p.retarget(c, ^uint64(0))
	require.Equal(t, takerShows, corrected())
	p.mu.Unlock(c)
	tm := &timer{mu: lock.Spin{Rank: lock.RankTimer}, proc: p, sig: SIGALRM, refs: 2, armings: 1}
	TimerExpired(c, uintptr(unsafe.Pointer(tm)))
	require.Equal(t, takerShows+timerShows, corrected())
	list[199].setMask(c, 0)
	require.NotZero(t, list[199].Work.Load()&workSignal, "at the end of its handler a task takes them")
}

func TestOnAlt(t *testing.T) {
	x := &Task{altLow: 0x1000, altSize: 0x1000}
	for sp, on := range map[uint64]bool{0x1000: false, 0x1001: true, 0x1fff: true, 0x2000: true, 0x2001: false} {
		require.Equal(t, on, x.onAlt(sp), "%#x", sp)
	}
	x.altSize = ^uintptr(0) // its end is beyond the last address
	for sp, on := range map[uint64]bool{0: false, 0x1000: false, 0x1001: true, ^uint64(0): true} {
		require.Equal(t, on, x.onAlt(sp), "%#x", sp)
	}
}

// Pending signals that are not blocked are delivered, the others stay.
func TestDeliverPending(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 1)
	x := list[0]
	for _, sig := range []uint64{SIGURG, SIGCHLD, SIGABRT} {
		p.actions.set(sig, action{handler: handlerIgnore})
	}
	x.mask.Store(bit(SIGABRT))
	for _, sig := range []uint64{SIGURG, SIGCHLD, SIGABRT} {
		x.pending.add(sig, fromTkill)
	}
	p.pending.add(SIGURG, fromKill)
	_, how := deliverPending(c, x, &cpu.Frame{}, 7)
	require.EqualValues(t, 7, how)
	require.Equal(t, bit(SIGABRT), x.pending.bits.Load())
	require.Equal(t, bit(SIGABRT), x.pending.tkill)
	require.Zero(t, p.pending.bits.Load())
	x.Work.Store(workExit)
	x.mask.Store(0)
	deliverPending(c, x, &cpu.Frame{}, 7)
	require.Equal(t, bit(SIGABRT), x.pending.bits.Load(), "a task that ends takes none")
}

// Each register of the frame stands where Linux has it.
func TestFillFrame(t *testing.T) {
	var sf sigframe
	f := &cpu.Frame{R8: 8, R9: 9, R10: 10, R11: 11, R12: 12, R13: 13, R14: 14, R15: 15, DI: 1, SI: 2, BP: 3, BX: 4, DX: 5, AX: 6, CX: 7,
		SP: 16, IP: 17, Flags: 18, CS: 0x2b, SS: 0x23, Error: 27, Vector: 256}
	x := &Task{altLow: 22, altSize: 23, trapped: trapped{20, 19, 24}}
	x.mask.Store(21)
	fillFrame(&sf, x, f, info{SIGSEGV, codeMapErr, 24}, &action{restorer: 25})
	require.Equal(t, sigcontext{r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15, di: 1, si: 2, bp: 3, bx: 4, dx: 5, ax: 6, cx: 7,
		sp: 16, ip: 17, flags: 18, segments: 0x23<<48 | 0x2b, err: 19, vector: 20, oldmask: 21, cr2: 24}, sf.uc.regs)
	require.Equal(t, []uint64{21, 22, 23, 25}, []uint64{sf.uc.mask, sf.uc.stack.sp, sf.uc.stack.size, sf.restorer})
	require.Equal(t, siginfo{sig: SIGSEGV, code: codeMapErr, value: 24}, sf.info)
	sf = sigframe{}
	fillFrame(&sf, x, f, info{SIGURG, codeTkill, 26}, &action{})
	require.Equal(t, []uint64{20, 19, 24}, []uint64{sf.uc.regs.vector, sf.uc.regs.err, sf.uc.regs.cr2}, "the last exception's, whatever the signal")
}

// A signal that is ignored from now on waits for no task, whichever blocks it. An action that
// another task has set anew meanwhile keeps the signal.
func TestIgnoredSignalIsDropped(t *testing.T) {
	c := &percpu.CPU{}
	for handler, want := range map[uint64]uint64{handlerIgnore: 0, 0x1000: bit(SIGABRT)} {
		p, tasks := newTestProcess(c, pokeBatch-1) // one step: a window for interrupts faults on the host
		for _, x := range tasks {
			x.mask.Store(bit(SIGABRT))
			x.pending.add(SIGABRT, fromTkill)
			x.pending.add(SIGALRM, fromTkill)
		}
		p.actions.set(SIGABRT, action{handler: handler})
		p.dropIgnored(c, SIGABRT)
		for _, x := range tasks {
			require.Equal(t, want|bit(SIGALRM), x.pending.bits.Load())
		}
	}
}
