package intr

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cross"
	"muster/kernel/linux"
	"muster/kernel/percpu"
)

// A line moves in two steps. Move gives it a vector of the new CPU and writes the entry of
// the I/O APIC. The old vector keeps its meaning, so an interrupt that is on its way to the
// old CPU is served there. Settle gives the old vector back when the old CPU holds no
// interrupt of it: neither requested nor in service. Both can be called again until they
// succeed, and neither waits.
//
// An edge that comes while the entry is masked, and an MSI that the device sends while
// its registers are half written, may be lost. So Settle first sends the new vector once.
// For the device that is an interrupt without a cause, which its driver accepts.

// Move leads a line to another CPU. EAGAIN says that an interrupt of the line is in
// service, or that an earlier move is not settled.
func Move(c *percpu.CPU, _ *linux.Task, n, cpu int, force bool) (*percpu.CPU, uint64) {
	l := find(n)
	if l == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	to, e := target(cpu)
	if e != 0 {
		return c, linux.Fail(e)
	}
	if l.nmi() {
		l.moveNMI(c, to)
		return c, 0
	}
	ready(c, to)
	v, e := l.begin(c, uint32(n), to)
	if e != 0 || v == 0 {
		return c, linux.Fail(e)
	}
	ok := true
	if l.io != nil {
		ok = l.io.Move(c, l.gsi, v, to.APICID, force)
	}
	l.commit(c, route{to.ID, v}, ok)
	if !ok {
		return c, linux.Fail(linux.EAGAIN)
	}
	return c, 0
}

// moveNMI leads an NMI source to another CPU. It has no vector, so nothing of it pends.
func (l *line) moveNMI(c, to *percpu.CPU) {
	l.io.RouteNMI(c, l.gsi, to.APICID, l.flags&abi.IRQLow != 0)
	mu.Lock(c)
	l.now.cpu = to.ID
	mu.Unlock(c)
}

// begin gives a line a vector of another CPU. Neither a vector nor an error: the line goes
// to that CPU already.
func (l *line) begin(c *percpu.CPU, n uint32, to *percpu.CPU) (v uint8, e linux.Errno) {
	mu.Lock(c)
	switch {
	case l.moving || l.leaving:
		e = linux.EAGAIN
	case l.now.cpu == to.ID:
	default:
		if v = assign(c, to, n); v == 0 {
			e = linux.ENOSPC
		} else {
			l.moving = true
		}
	}
	mu.Unlock(c)
	return v, e
}

// commit makes the new route the line's, or gives it back.
func (l *line) commit(c *percpu.CPU, to route, ok bool) {
	mu.Lock(c)
	l.moving = false
	if ok {
		l.old, l.now = l.now, to
		l.leaving, l.remake = true, !l.level
	} else {
		release(c, to)
	}
	mu.Unlock(c)
}

// settleLimit is how long the old CPU may take to say what it holds.
const settleLimit = clock.Second

// Settle ends a move. EAGAIN says that the old CPU still has an interrupt of the line,
// ETIMEDOUT that it does not say.
//
// Context: no lock held.
func Settle(c *percpu.CPU, _ *linux.Task, n int) (*percpu.CPU, uint64) {
	l := find(n)
	if l == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	mu.Lock(c)
	leaving, remake, now, old := l.leaving, l.remake, l.now, l.old
	l.remake = false
	mu.Unlock(c)
	if !leaving {
		return c, 0
	}
	if remake {
		apic.SendVector(c, percpu.Get(now.cpu), now.vector)
	}
	if e := l.holds(c, uint32(n), old); e != 0 {
		return c, linux.Fail(e)
	}
	mu.Lock(c)
	if l.leaving && l.old == old {
		l.leaving = false
		release(c, old)
	}
	mu.Unlock(c)
	return c, 0
}

// holds returns EAGAIN if the old CPU has an interrupt of the line. A CPU that
// is not online takes no interrupt any more.
func (l *line) holds(c *percpu.CPU, n uint32, old route) linux.Errno {
	o := percpu.Get(old.cpu)
	switch {
	case o == c:
		onHolds(c, uint64(n))
	case !o.IsOnline():
		return 0
	default:
		var words [percpu.Max / 64]uint64
		var set percpu.Mask
		set.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
		set.Set(old.cpu)
		if cross.Call(c, &set, abi.CallHolds, uint64(n), settleLimit) != cross.Silent {
			return linux.ETIMEDOUT
		}
	}
	if l.held.Load() != 0 {
		return linux.EAGAIN
	}
	return 0
}

// onHolds records whether this CPU has accepted an interrupt of a line's old vector that it
// has not ended.
//
// Context: on the old CPU, as a cross-call.
func onHolds(_ *percpu.CPU, n uint64) {
	l := &lines[n]
	held := uint32(0)
	if apic.Holds(l.old.vector) {
		held = 1
	}
	l.held.Store(held)
}
