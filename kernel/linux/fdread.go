package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// How a system call gets from a descriptor to its file, while another CPU may close the descriptor and free the
// file. A lock of the table would be a cache line that all CPUs write, although they use different files. So the reader
// takes none. It says in a word of its own CPU which file it is about to touch, and then looks again whether the
// file is still in the table. The CPU that frees a file has taken it out of the table first, and then looks at the
// words of all CPUs. So either the reader sees that the file has gone, or the other CPU sees the reader, and
// waits. It waits for about ten instructions: the reader has interrupts off, and neither sleeps nor switches meanwhile.
//
//	the reader                      the CPU that closes
//	slot: f                         slot: 0
//	Reading = f                     the last reference is given up
//	slot: f, still?                 Reading of any CPU is f?
//	TryGet: fails at 0              if so it waits
//	Reading = 0                     f is freed
//
// Such words are hazard pointers (Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", 2004). A
// reader's cost is that of the lock without a wait.

// get returns the file of a descriptor with one more reference, nil if the
// descriptor has none.
func (ft *fileTable) get(c *percpu.CPU, fd uint64) *File {
	s := ft.find(uintArg(fd))
	if s == nil {
		return nil
	}
	v := s.load()
	f := v.file()
	if f == nil {
		return nil
	}
	c.Reading.Store(uintptr(unsafe.Pointer(f))) // a fence; pairs with the Load in awaitReaders
	ok := s.load() == v && f.refs.TryGet()
	c.Reading.Release()
	if !ok {
		return ft.getShut(c, s)
	}
	return f
}

// getShut is get for a slot that another CPU changes. With the gate shut each other CPU changes it once at most, so a
// try succeeds.
//
// Locks: takes ft.mu.
//
//go:noinline
func (ft *fileTable) getShut(c *percpu.CPU, s *slotWord) (f *File) {
	ft.shut(c)
	for ok := false; !ok; {
		v := s.load()
		if f = v.file(); f == nil {
			break
		}
		c.Reading.Store(uintptr(unsafe.Pointer(f))) // a fence; pairs with the Load in awaitReaders
		ok = s.load() == v && f.refs.TryGet()
		c.Reading.Release()
	}
	ft.open(c)
	return f
}

// awaitReaders waits until no CPU is about to take a reference to a file, which has none left, or names a timer or a task.
//
// Context: the object is in no table.
func awaitReaders(c *percpu.CPU, object uintptr) {
	for id := range percpu.Count() {
		o := percpu.Get(id)
		if o.Reading.Load() == object {
			awaitReader(c, o, object)
		}
	}
}

// readTimeout is far longer than any CPU names an object.
const readTimeout = 5 * clock.Second

// awaitReader waits until o names the object no more. Meanwhile c answers TLB flushes.
func awaitReader(c, o *percpu.CPU, object uintptr) {
	end := clock.After(readTimeout)
	for turns := 1; o.Reading.Load() == object; turns++ {
		if upcall.To.SpinPoll != nil {
			upcall.To.SpinPoll(c)
		}
		atom.Pause()
		if turns%4096 != 0 || !end.Passed() {
			continue
		}
		if stalled := upcall.Stalled(c); !stalled && o.Reading.Load() == object {
			upcall.Panic(c, "linux: a CPU reads a descriptor, a timer or a task for 5 s; CPU", uint64(o.ID), 0)
		}
		end = clock.After(readTimeout)
	}
}
