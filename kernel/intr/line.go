package intr

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/console"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// maxLines is how many lines can be claimed. A line is never given back. The vectors and
// counters of a CPU then fit a page.
const maxLines = 320

// route is a CPU and one of its vectors.
type route struct {
	cpu    uint32
	vector uint8
}

// line is an interrupt line, or a device's MSI. What the handlers read is complete
// before the line gets a vector, and does not change afterwards, so they need no lock.
type line struct {
	used   bool
	level  bool
	gsi    uint32
	flags  uint32 // abi.IRQLow and so on
	action uint32
	io     *ioapic     // nil for an MSI, and at the 8259s
	event  *linux.File // counts the interrupts; a goroutine waits for it
	name   [abi.IRQName]byte

	// Guarded by mu.
	now     route
	old     route // while leaving
	leaving bool  // interrupts may still come to old
	moving  bool  // Move is at work
	remake  bool  // an interrupt may have been lost during the move

	held  atom.Uint32 // answer of onHolds
	stuck atom.Uint32 // 1: it storms, and stays masked
	strays
}

var lines [maxLines]line

// deviceVectors is how many vectors of a CPU devices can have.
const deviceVectors = vector.DeviceLast - vector.DeviceFirst + 1

// vectors has what a CPU's vectors mean, and what it has counted.
type vectors struct {
	line   [deviceVectors]atom.Uint32 // number of the line plus one, 0 for none; written under mu
	counts [maxLines]uint64           // interrupts by line, and the CPU's own
}

var _ [layout.PageSize - unsafe.Sizeof(vectors{})]byte // they fit a page

func vectorsOf(c *percpu.CPU) *vectors { return (*vectors)(unsafe.Pointer(c.Devices.Load())) }

// ready gives a CPU its vectors, if it has none.
func ready(c, o *percpu.CPU) {
	if o.Devices.Load() != 0 {
		return
	}
	room := mem.AllocMapped(c, unsafe.Sizeof(vectors{}), 64)
	mu.Lock(c)
	if o.Devices.Load() == 0 { // otherwise another CPU was first
		o.Devices.Store(room)
	}
	mu.Unlock(c)
}

// assign gives a line a vector of a CPU, from the highest class down; 0 when none is free.
//
// Locks: mu held.
func assign(c, o *percpu.CPU, n uint32) uint8 {
	mu.AssertHeld(c)
	t := vectorsOf(o)
	for i := deviceVectors - 1; i >= 0; i-- {
		if t.line[i].Load() == 0 {
			t.line[i].Store(n + 1)
			return uint8(vector.DeviceFirst + i)
		}
	}
	return 0
}

// release gives a vector back.
//
// Locks: mu held.
func release(c *percpu.CPU, r route) {
	mu.AssertHeld(c)
	vectorsOf(percpu.Get(r.cpu)).line[r.vector-vector.DeviceFirst].Store(0)
}

// Bind claims what the abi.IRQRequest at the address request says. The result is the
// number of the line.
func Bind(c *percpu.CPU, t *linux.Task, request uintptr) (*percpu.CPU, uint64) {
	var r abi.IRQRequest
	if !t.Space.CopyIn(c, unsafe.Pointer(&r), request, unsafe.Sizeof(r)) {
		return c, linux.Fail(linux.EFAULT)
	}
	c, event := linux.EventOf(c, t, uint64(r.EventFD))
	if event == nil {
		return c, linux.Fail(linux.EBADF)
	}
	var n uint32
	var e linux.Errno
	if apic.Legacy() {
		n, e = bindLegacy(c, &r, event)
	} else {
		n, e = bind(c, &r, event)
	}
	if e != 0 {
		return event.Release(c), linux.Fail(e) // otherwise the line keeps it
	}
	switch r.Action {
	case abi.ActionConsole:
		console.UseInterrupts(c)
	case abi.ActionStdio:
		console.Stdio.UseInterrupts(c)
	case abi.ActionControl:
		console.Control.UseInterrupts(c)
	}
	return c, uint64(n)
}

// bind gives the line a vector of the CPU to which it goes, and routes it.
func bind(c *percpu.CPU, r *abi.IRQRequest, event *linux.File) (n uint32, e linux.Errno) {
	var a *ioapic
	if r.Flags&abi.IRQMessage == 0 {
		if a = findIOAPIC(r.GSI); a == nil {
			return 0, linux.ENODEV
		}
	}
	to, e := target(int(r.CPU))
	if e != 0 {
		return 0, e
	}
	if a != nil && a.Firmware(c, r.GSI) {
		return 0, linux.EBUSY
	}
	ready(c, to)
	mu.Lock(c)
	n, e = claim(c, r, a, event)
	var v uint8
	if e == 0 {
		l := &lines[n]
		if l.nmi() {
			l.now = route{to.ID, vector.NMI}
		} else if v = assign(c, to, n); v == 0 {
			l.used, e = false, linux.ENOSPC
		} else {
			l.now = route{to.ID, v}
		}
	}
	mu.Unlock(c)
	switch {
	case e != 0 || a == nil:
	case r.Flags&abi.IRQNMI != 0:
		a.RouteNMI(c, r.GSI, to.APICID, r.Flags&abi.IRQLow != 0)
	default:
		a.Route(c, r.GSI, v, to.APICID, r.Flags&abi.IRQLow != 0, r.Flags&abi.IRQLevel != 0)
	}
	return n, e
}

// claim takes a free line for a request. EBUSY says that the GSI is claimed, ENOSPC that
// there are too many lines.
//
// Locks: mu held.
func claim(c *percpu.CPU, r *abi.IRQRequest, a *ioapic, event *linux.File) (n uint32, e linux.Errno) {
	mu.AssertHeld(c)
	free, isMSI := uint32(maxLines), r.Flags&abi.IRQMessage != 0
	for i := range lines {
		l := &lines[i]
		if !l.used {
			free = uint32(i)
			break
		}
		if l.gsi == r.GSI && !isMSI && l.flags&abi.IRQMessage == 0 {
			return 0, linux.EBUSY
		}
	}
	if free == maxLines {
		return 0, linux.ENOSPC
	}
	l := &lines[free]
	l.used, l.gsi, l.action, l.name = true, r.GSI, r.Action, r.Name
	l.flags = r.Flags & (abi.IRQLow | abi.IRQLevel | abi.IRQMessage | abi.IRQNMI)
	l.level = l.flags&abi.IRQLevel != 0 && !isMSI && !l.nmi()
	l.io, l.event = a, event
	return free, 0
}

// nmi reports whether the line is an NMI source.
func (l *line) nmi() bool { return l.flags&abi.IRQNMI != 0 }

// find returns the line with a number, nil if there is none.
func find(n int) *line {
	if n < 0 || n >= maxLines || !lines[n].used {
		return nil
	}
	return &lines[n]
}

// Count returns how often a line has interrupted a CPU.
func Count(c *percpu.CPU, _ *linux.Task, n, cpu int) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil || find(n) == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	t := vectorsOf(o)
	if t == nil {
		return c, 0
	}
	return c, t.counts[n] // the CPU counts on, without a lock
}

// Info fills in the abi.IRQLine at the address out.
func Info(c *percpu.CPU, t *linux.Task, n int, out uintptr) (*percpu.CPU, uint64) {
	l := find(n)
	if l == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	mu.Lock(c)
	i := abi.IRQLine{GSI: l.gsi, Flags: l.flags, Action: l.action, CPU: l.now.cpu, Vector: uint32(l.now.vector),
		OldCPU: l.old.cpu, OldVector: uint32(l.old.vector), Name: l.name}
	if l.leaving {
		i.Flags |= abi.IRQLeaving
	}
	if l.stuck.Load() != 0 {
		i.Flags |= abi.IRQStuck
	}
	i.Strays = l.all
	mu.Unlock(c)
	i.APICID = percpu.Get(i.CPU).APICID
	if l.io != nil && l.io.Masked(c, l.gsi) {
		i.Flags |= abi.IRQMasked
	}
	if !t.Space.CopyOut(c, out, unsafe.Pointer(&i), unsafe.Sizeof(i)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}
