package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// eventCount is what an eventfd counts; guarded by File.mu.
type eventCount struct {
	n         uint64
	semaphore bool // a read takes one
}

// Flags of eventfd2.
const efdSemaphore = 1

func sysEventfd(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return newEvent(c, t, fr.DI, 0)
}

func sysEventfd2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return newEvent(c, t, fr.DI, uintArg(fr.SI))
}

func newEvent(c *percpu.CPU, t *Task, initial, flags uint64) (*percpu.CPU, uint64) {
	if flags&^(efdSemaphore|oNonblock|oCloexec) != 0 {
		return c, errno(EINVAL)
	}
	f := t.newFile(c, kindEvent)
	if f != nil {
		f.event.n = uint64(uint32(initial))
		f.event.semaphore = flags&efdSemaphore != 0
		f.flags.Store(uint32(flags & oNonblock))
	}
	return t.open(c, f, flags&oCloexec != 0)
}

// eventMax is the largest count; an addition beyond it waits.
const eventMax = 1<<64 - 2

// readEvent takes the count, or waits until it is not 0.
func (f *File) readEvent(c *percpu.CPU, t *Task, to *sink) (*percpu.CPU, uint64) {
	if to.left < 8 {
		return c, errno(EINVAL)
	}
	var ch change
	f.mu.Lock(c)
	for f.event.n == 0 {
		var e Errno
		if c, e = f.wait(c, t); e != 0 {
			f.mu.Unlock(c)
			return c, errno(e)
		}
	}
	v := f.event.n
	if f.event.semaphore {
		v = 1
	}
	f.event.n -= v
	f.waiters.wakeAll(c)
	ch.begin(c, f, pollOut)
	f.mu.Unlock(c)
	c = ch.end(c)
	ok := false
	if to.length >= 8 {
		ok = t.Space.Store64(c, to.base, v)
	} else {
		c, ok = to.put(c, t, unsafe.Pointer(&v), 8)
	}
	if !ok {
		return c, errno(EFAULT)
	}
	return c, 8
}

// writeEvent adds to the count, or waits until it fits.
func (f *File) writeEvent(c *percpu.CPU, t *Task, from *source) (*percpu.CPU, uint64) {
	if from.left != 8 {
		return c, errno(EINVAL)
	}
	v, ok := uint64(0), false
	if from.length == 8 {
		v, ok = t.Space.Load64(c, from.base)
	} else {
		c, v, ok = from.take64(c, t)
	}
	if !ok {
		return c, errno(EFAULT)
	}
	if v > eventMax {
		return c, errno(EINVAL)
	}
	var ch change
	f.mu.Lock(c)
	for f.event.n > eventMax-v {
		var e Errno
		if c, e = f.wait(c, t); e != 0 {
			f.mu.Unlock(c)
			return c, errno(e)
		}
	}
	f.event.n += v
	f.waiters.wakeAll(c)
	ch.begin(c, f, pollIn)
	f.mu.Unlock(c)
	return ch.end(c), 8
}

// ready returns the epoll events of an eventfd.
func (n *eventCount) ready() (events uint32) {
	if n.n > 0 {
		events |= epollIn
	}
	if n.n < eventMax {
		events |= epollOut
	}
	return events
}

// EventOf returns the eventfd of a descriptor with one more reference, nil if the
// descriptor is of another kind. Interrupts are counted in it. Release gives the
// reference up.
func EventOf(c *percpu.CPU, t *Task, fd uint64) (*percpu.CPU, *File) {
	f := t.proc.files.get(c, fd)
	if f != nil && f.kind != kindEvent {
		return f.put(c), nil
	}
	return c, f
}

// Release gives up the reference from EventOf.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) Release(c *percpu.CPU) *percpu.CPU { return f.put(c) }

// Signal adds one to an eventfd of the kernel's own runtime, from an interrupt
// handler. Only the runtime's epolls watch such a file, so they are few, and all are
// notified here.
func (f *File) Signal(c *percpu.CPU) {
	var ch change
	f.mu.Lock(c)
	if f.event.n < eventMax {
		f.event.n++
	}
	f.waiters.wakeAll(c)
	ch.begin(c, f, pollIn)
	f.mu.Unlock(c)
	for ch.next(c) {
	}
}
