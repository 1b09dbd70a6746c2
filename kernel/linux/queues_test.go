package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// wakeFutex wakes the tasks that wait at its address, as many as it may, in order.
func TestWakeFutex(t *testing.T) {
	c := &percpu.CPU{}
	initFutexes()
	me := &Task{}
	const addr = 0x1000
	b := bucketOf(me.Space, addr)
	w := make([]Task, 5)
	for i := range w {
		w[i].futexAddr = addr
		b.tasks.Push(&w[i].Wait)
	}
	w[1].futexAddr = addr + 4 // in the same bucket
	defer b.tasks.Remove(&w[1].Wait)
	waits := func() (list []bool) {
		for i := range w {
			list = append(list, w[i].Wait.Linked())
		}
		return list
	}
	_, n := wakeFutex(c, me, addr, 2)
	require.EqualValues(t, 2, n)
	require.Equal(t, []bool{false, true, false, true, true}, waits(), "the first two")
	_, n = wakeFutex(c, me, addr, 100)
	require.EqualValues(t, 2, n)
	_, n = wakeFutex(c, me, addr, 100)
	require.Zero(t, n)
	require.Equal(t, []bool{false, true, false, false, false}, waits())
}

// reports is what an epoll has to report, in order.
func (ep *epoll) reports() (list []uint64) {
	for n := ep.ready.First(); n != nil && len(list) < 10; n = ep.ready.Next(n) {
		list = append(list, watchReady(n).fd)
	}
	return list
}

func newWatches(n int, events uint32) (*epoll, []*watch) {
	ep, f := &epoll{}, &File{}
	ep.mu.Rank = lock.RankEpoll
	f.init(kindEvent)
	var list []*watch
	for fd := range n {
		w := &watch{ep: ep, file: f, fd: uint64(fd), events: events}
		f.watches.Push(&w.ofFile)
		ep.watches.Push(&w.ofEpoll)
		list = append(list, w)
	}
	return ep, list
}

// A watch is on the list of reports once, and leaves all lists at its end. The collector
// that works on it then frees it.
func TestWatchLists(t *testing.T) {
	c := &percpu.CPU{}
	ep, w := newWatches(3, epollIn)
	f := w[0].file
	f.mu.Lock(c)
	ep.mu.Lock(c)
	for _, x := range w {
		x.list(c)
		x.list(c)
	}
	require.Equal(t, []uint64{0, 1, 2}, ep.reports())
	require.True(t, w[1].unlink(c))
	w[2].busy = 1
	require.False(t, w[2].unlink(c))
	require.True(t, w[2].dead)
	require.Equal(t, []uint64{0}, ep.reports())
	require.Same(t, w[0], watchOfFile(f.watches.First()))
	require.Same(t, w[0], watchOfEpoll(ep.watches.Last()))
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
}

// A watch is listed for the events in its mask, and for errors in any case, unless it is
// spent.
func TestTrigger(t *testing.T) {
	c := &percpu.CPU{}
	ep, w := newWatches(3, epollIn|epollEdge)
	w[1].events = epollOut
	w[2].events = 0 // spent: reported once
	w[0].file.mu.Lock(c)
	for _, x := range w {
		x.trigger(c, epollIn)
	}
	require.Equal(t, []uint64{0}, ep.reports())
	for _, x := range w {
		x.trigger(c, epollHup)
	}
	require.Equal(t, []uint64{0, 1}, ep.reports())
}

// newTestPipe makes a pipe without its memory.
func newTestPipe() *pipe {
	p := &pipe{open: [2]bool{true, true}}
	p.mu.Rank = lock.RankPipe
	p.read.init(kindPipeRead)
	p.write.init(kindPipeWrite)
	p.read.pipe, p.write.pipe = p, p
	return p
}

func TestPipeReady(t *testing.T) {
	c := &percpu.CPU{}
	for _, tc := range []struct {
		name        string
		count       uint32
		open        [2]bool
		read, write uint32
	}{
		{"empty", 0, [2]bool{true, true}, 0, epollOut},
		{"one byte", 1, [2]bool{true, true}, epollIn, epollOut},
		{"room for one", pipeSize - 1, [2]bool{true, true}, epollIn, epollOut},
		{"full", pipeSize, [2]bool{true, true}, epollIn, 0},
		{"no writer", 0, [2]bool{true, false}, epollHup, epollOut},
		{"no writer, a rest", 5, [2]bool{true, false}, epollIn | epollHup, epollOut},
		{"no reader", 0, [2]bool{false, true}, 0, epollOut | epollErr},
		{"no reader, full", pipeSize, [2]bool{false, true}, epollIn, epollErr},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newTestPipe()
			p.count, p.open = tc.count, tc.open
			require.Equal(t, tc.read, p.read.pipeReady(c))
			require.Equal(t, tc.write, p.write.pipeReady(c))
		})
	}
}

// An end that is closed is noticed by the other, whichever comes first.
func TestPipeEnds(t *testing.T) {
	c := &percpu.CPU{}
	p := newTestPipe()
	require.Same(t, &p.write, p.other(&p.read))
	require.Same(t, &p.read, p.other(&p.write))
	p.closeEnd(c, &p.write)
	require.Equal(t, [2]bool{true, false}, p.open)
	p = newTestPipe()
	p.closeEnd(c, &p.read)
	require.Equal(t, [2]bool{false, true}, p.open)
}

// A mask stops neither SIGKILL nor SIGSTOP; what it held back comes when it goes.
func TestSetMask(t *testing.T) {
	x := &Task{}
	x.setMask(^uint64(0))
	require.Equal(t, ^uint64(unblockable), x.mask)
	x.pending.Store(bit(SIGURG))
	x.setMask(bit(SIGURG))
	require.Zero(t, x.Work.Load())
	x.setMask(0)
	require.EqualValues(t, workSignal, x.Work.Load())
}

func TestOnAlt(t *testing.T) {
	x := &Task{altLow: 0x1000, altSize: 0x1000}
	for sp, on := range map[uint64]bool{0x1000: false, 0x1001: true, 0x1fff: true, 0x2000: true, 0x2001: false} {
		require.Equal(t, on, x.onAlt(sp), "%#x", sp)
	}
}

// Pending signals that are not blocked are delivered, the others stay.
func TestDeliverPending(t *testing.T) {
	c := &percpu.CPU{}
	x := &Task{proc: &Process{}}
	x.proc.mu.Rank = lock.RankProcess
	for _, sig := range []uint64{SIGURG, SIGCHLD, SIGABRT} {
		x.proc.actions[sig].handler = handlerIgnore
	}
	x.mask = bit(SIGABRT)
	x.pending.Store(bit(SIGURG) | bit(SIGCHLD) | bit(SIGABRT))
	x.senders.Store(bit(SIGURG) | bit(SIGABRT))
	require.EqualValues(t, 7, deliverPending(c, x, &cpu.Frame{}, 7))
	require.Equal(t, bit(SIGABRT), x.pending.Load())
	require.Equal(t, bit(SIGABRT), x.senders.Load())
	x.Work.Store(workExit)
	x.mask = 0
	deliverPending(c, x, &cpu.Frame{}, 7)
	require.Equal(t, bit(SIGABRT), x.pending.Load(), "a task that ends takes none")
}

// Each register of the frame stands where Linux has it.
func TestFillFrame(t *testing.T) {
	var sf sigframe
	f := &cpu.Frame{R8: 8, R9: 9, R10: 10, R11: 11, R12: 12, R13: 13, R14: 14, R15: 15, DI: 1, SI: 2, BP: 3, BX: 4, DX: 5, AX: 6, CX: 7,
		SP: 16, IP: 17, Flags: 18, CS: 0x2b, SS: 0x23, Error: 19, Vector: 20}
	x := &Task{mask: 21, altLow: 22, altSize: 23}
	fillFrame(&sf, x, f, info{SIGSEGV, codeMapErr, 24}, &action{restorer: 25})
	require.Equal(t, sigcontext{r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15, di: 1, si: 2, bp: 3, bx: 4, dx: 5, ax: 6, cx: 7,
		sp: 16, ip: 17, flags: 18, segments: 0x23<<48 | 0x2b, err: 19, vector: 20, cr2: 24}, sf.uc.regs)
	require.Equal(t, []uint64{21, 22, 23, 25}, []uint64{sf.uc.mask, sf.uc.stack.sp, sf.uc.stack.size, sf.restorer})
	require.Equal(t, siginfo{sig: SIGSEGV, code: codeMapErr, value: 24}, sf.info)
	sf = sigframe{}
	fillFrame(&sf, x, f, info{SIGURG, codeTkill, 26}, &action{})
	require.Zero(t, sf.uc.regs.cr2, "no fault")
}
