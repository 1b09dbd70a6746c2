package linux

import (
	"muster/kernel/percpu"
)

// How dup2, close and fcntl change the slot of a descriptor whose number they have. The lock of the table would be a
// line that all CPUs write, although they change different descriptors. So these calls change the slot alone, by a compare-and-swap: the CPU that takes
// a file out of it has the reference that the slot had.
//
// The swap fails if another CPU changes the same slot. After some tries the CPU takes the lock and closes the gate. Each other
// CPU, which has looked at the gate before, changes a slot once at most after that, and then waits for the lock. So each CPU tries a bounded number of times.
//
// The search for the lowest free descriptor has the lock, and begins at a number below which none is free. A CPU that frees
// a slot lowers that number, if it is higher:
//
//	the CPU that searches           the CPU that closes
//	free = maxFiles                 slot: f, then 0
//	slots: the first with 0         free > fd?
//	free = its number + 1           if so it lowers free, under the lock
//
// So either the search sees the free slot, or the other CPU sees that there is a search, or what it has found.

// changeTries is how often a slot is tried without the lock.
const changeTries = 4

// slotChange is what happens to a slot.
type slotChange uint8

const (
	slotReplace slotChange = iota // by a file, whatever is there, unless it is reserved
	slotRemove                    // by nothing, if there is a file
	slotFlag                      // by the same file with another flag, if there is one
)

// change changes a slot, and returns what was there before; false if it is not as it has to be. f and cloexec are for the new value.
//
// Locks: takes ft.mu if other CPUs change the slot.
func (ft *fileTable) change(c *percpu.CPU, s *slotWord, how slotChange, f *File, cloexec bool) (old slot, ok bool) {
	shut := false
	for turn := 0; ; turn++ {
		if !shut && (turn == changeTries || ft.gate.Load() != 0) {
			shut = true
			ft.shut(c)
		}
		old = s.load()
		next := slot(0)
		switch how {
		case slotReplace:
			next, ok = slotOf(f, cloexec), old != slotReserved
		case slotRemove:
			ok = old.file() != nil
		case slotFlag:
			next, ok = slotOf(old.file(), cloexec), old.file() != nil
		}
		if !ok || s.swap(old, next) { // a fence: see freed
			break
		}
	}
	if shut {
		ft.open(c)
	}
	return old, ok
}

// shut makes other CPUs wait before they change a slot, until open. A CPU that has looked at the gate before may change one slot.
//
// Locks: takes ft.mu, which the caller has afterwards.
func (ft *fileTable) shut(c *percpu.CPU) {
	ft.mu.Lock(c)
	ft.gate.Store(1)
}

// open ends what shut began.
//
// Locks: ft.mu held; released.
func (ft *fileTable) open(c *percpu.CPU) {
	ft.mu.AssertHeld(c)
	ft.gate.Release()
	ft.mu.Unlock(c)
}

// freed notes that a descriptor has become free. Its slot was stored with a fence, which pairs with the Store in take.
//
// Locks: takes ft.mu if a search goes on, or has gone beyond the slot.
func (ft *fileTable) freed(c *percpu.CPU, fd uint64) {
	if fd >= ft.free.Load() {
		return
	}
	ft.mu.Lock(c)
	ft.free.Publish(min(ft.free.Load(), fd))
	ft.mu.Unlock(c)
}

// replace gives f a certain descriptor, with the caller's reference, and returns the
// file that was there before. A descriptor that is reserved is busy.
func (ft *fileTable) replace(c *percpu.CPU, fd uint64, f *File, cloexec bool) (old *File, e Errno) {
	s := ft.find(fd)
	if s == nil {
		ft.mu.Lock(c)
		s = ft.need(c, fd)
		ft.mu.Unlock(c)
	}
	if s == nil {
		return nil, ENOMEM
	}
	was, ok := ft.change(c, s, slotReplace, f, cloexec)
	if !ok {
		return nil, EBUSY
	}
	return was.file(), 0
}

// remove frees a descriptor and returns the file that it had, with its reference.
func (ft *fileTable) remove(c *percpu.CPU, fd uint64) *File {
	fd = uintArg(fd)
	s := ft.find(fd)
	if s == nil {
		return nil
	}
	was, ok := ft.change(c, s, slotRemove, nil, false)
	if !ok {
		return nil
	}
	ft.freed(c, fd)
	return was.file()
}

// getFlags returns the flags of a descriptor, or an error.
func (ft *fileTable) getFlags(fd uint64) uint64 {
	s := ft.peek(fd)
	if s.file() == nil {
		return errno(EBADF)
	}
	return uint64(s & slotCloexec)
}

// setFlags changes the flags of a descriptor. Another thread may have closed it.
func (ft *fileTable) setFlags(c *percpu.CPU, fd uint64, cloexec bool) uint64 {
	if s := ft.find(uintArg(fd)); s != nil {
		if _, ok := ft.change(c, s, slotFlag, nil, cloexec); ok {
			return 0
		}
	}
	return errno(EBADF)
}
