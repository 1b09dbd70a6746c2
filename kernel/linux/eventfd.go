package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Flags of eventfd2.
const efdSemaphore = 1

func sysEventfd(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return newEvent(c, t, fr.DI, 0)
}

func sysEventfd2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return newEvent(c, t, fr.DI, fr.SI)
}

func newEvent(c *percpu.CPU, t *Task, initial, flags uint64) (*percpu.CPU, uint64) {
	if flags&^(efdSemaphore|oNonblock|oCloexec) != 0 {
		return c, errno(EINVAL)
	}
	f := t.newFile(c, kindEvent)
	if f != nil {
		f.count = uint64(uint32(initial))
		f.semaphore = flags&efdSemaphore != 0
		f.flags.Store(uint32(flags & oNonblock))
	}
	return c, t.open(c, f)
}

// eventMax is the largest count; an addition beyond it waits.
const eventMax = 1<<64 - 2

// readEvent takes the count, or waits until it is not 0.
func (f *File) readEvent(c *percpu.CPU, t *Task, p uintptr, n uint64) (*percpu.CPU, uint64) {
	if n < 8 {
		return c, errno(EINVAL)
	}
	f.mu.Lock(c)
	for f.count == 0 {
		var e Errno
		if c, e = f.wait(c, t); e != 0 {
			f.mu.Unlock(c)
			return c, errno(e)
		}
	}
	v := f.count
	if f.semaphore {
		v = 1
	}
	f.count -= v
	f.changed(c)
	f.mu.Unlock(c)
	if !t.Space.Store64(c, p, v) {
		return c, errno(EFAULT)
	}
	return c, 8
}

// writeEvent adds to the count, or waits until it fits.
func (f *File) writeEvent(c *percpu.CPU, t *Task, p uintptr, n uint64) (*percpu.CPU, uint64) {
	if n < 8 {
		return c, errno(EINVAL)
	}
	v, ok := t.Space.Load64(c, p)
	if !ok {
		return c, errno(EFAULT)
	}
	if v > eventMax {
		return c, errno(EINVAL)
	}
	f.mu.Lock(c)
	for f.count > eventMax-v {
		var e Errno
		if c, e = f.wait(c, t); e != 0 {
			f.mu.Unlock(c)
			return c, errno(e)
		}
	}
	f.count += v
	f.changed(c)
	f.mu.Unlock(c)
	return c, 8
}

// eventReady returns the epoll events of an eventfd.
//
// Locks: f.mu held.
func (f *File) eventReady(c *percpu.CPU) (events uint32) {
	f.mu.AssertHeld(c)
	if f.count > 0 {
		events |= epollIn
	}
	if f.count < eventMax {
		events |= epollOut
	}
	return events
}

// EventOf returns the eventfd of a descriptor with one more reference, nil if the
// descriptor is of another kind. Interrupts are counted in it. Release drops the
// reference.
func EventOf(c *percpu.CPU, t *Task, fd uint64) *File {
	f := t.proc.files.get(c, fd)
	if f != nil && f.kind != kindEvent {
		f.put(c)
		return nil
	}
	return f
}

// Release drops the reference from EventOf.
//
// Locks: none held.
func (f *File) Release(c *percpu.CPU) { f.put(c) }

// Signal adds one to an eventfd, from an interrupt handler.
func (f *File) Signal(c *percpu.CPU) {
	f.mu.Lock(c)
	if f.count < eventMax {
		f.count++
	}
	f.changed(c)
	f.mu.Unlock(c)
}
