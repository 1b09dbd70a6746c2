package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// slot is one place of a descriptor table: 0 if it is free, reserved, or the address
// of a file, whose low bit says that the descriptor is closed at exec.
type slot uintptr

const (
	slotCloexec  slot = 1
	slotReserved slot = 2 // a system call is about to publish a file here
)

// file returns the file of a slot, nil if there is none yet.
func (s slot) file() *File {
	return (*File)(unsafe.Pointer(uintptr(s &^ (slotCloexec | slotReserved))))
}

func slotOf(f *File, cloexec bool) slot {
	s := slot(unsafe.Pointer(f))
	if cloexec {
		s |= slotCloexec
	}
	return s
}

const (
	slotsPerPage = layout.PageSize / 8
	tablePages   = 8
	maxFiles     = slotsPerPage * tablePages // RLIMIT_NOFILE
)

// fileTable maps descriptors to files. Pages of slots are made as descriptors need
// them. A file that is in the table is complete, and the table has a reference to it.
// The lock guards changes; get and peek read pages and slots without it.
type fileTable struct {
	mu    lock.Spin
	user  bool                     // of a program: the kernel's reserve is not for it
	pages [tablePages]atom.Uintptr // *slotPage; 0, or made once
	free  uint64                   // no descriptor below is free
}

// slotPage is a page of a table: slots.
type slotPage [slotsPerPage]slotWord

// slotWord is the memory of one slot. It is stored under the lock of its table.
type slotWord struct{ v atom.Uintptr }

func (w *slotWord) load() slot { return slot(w.v.Load()) }

func (w *slotWord) store(s slot) { w.v.Store(uintptr(s)) }

// page returns the page with a descriptor below maxFiles, nil if it was not made.
func (ft *fileTable) page(fd uint64) *slotPage {
	return (*slotPage)(unsafe.Pointer(ft.pages[fd/slotsPerPage].Load()))
}

// init opens the standard files as descriptors 0, 1 and 2. A program may have a terminal.
func (ft *fileTable) init(c *percpu.CPU, user bool, terminal int) bool {
	ft.mu.Rank = lock.RankFile
	ft.user = user
	for fd := range 3 {
		f := standard(fd, user, terminal)
		f.refs.Get(c)
		if _, e := ft.install(c, f, 0, false); e != 0 {
			f.refs.Put(c)
			return false
		}
	}
	return true
}

// at returns the slot of a descriptor, nil if its page has not been made.
//
// Locks: ft.mu held.
func (ft *fileTable) at(c *percpu.CPU, fd uint64) *slotWord {
	ft.mu.AssertHeld(c)
	return ft.find(fd)
}

// find is at without the lock: the slot may change at any time.
func (ft *fileTable) find(fd uint64) *slotWord {
	if fd >= maxFiles {
		return nil
	}
	fd = cpu.Index(fd, maxFiles)
	page := ft.page(fd)
	if page == nil {
		return nil
	}
	return &page[fd%slotsPerPage]
}

// peek returns what is in the slot of a descriptor, without the lock. The file may end at any time.
func (ft *fileTable) peek(fd uint64) slot {
	if s := ft.find(uintArg(fd)); s != nil {
		return s.load()
	}
	return 0
}

// need is at, and makes the page. nil means that memory is exhausted.
//
// Locks: ft.mu held.
func (ft *fileTable) need(c *percpu.CPU, fd uint64) *slotWord {
	ft.mu.AssertHeld(c)
	page := ft.page(fd)
	if page == nil {
		if ft.user && !mem.Plenty(c) {
			return nil
		}
		p, ok := mem.AllocZeroed(c)
		if !ok {
			return nil
		}
		ft.pages[fd/slotsPerPage].Store(mem.Direct(p)) // it is zero; pairs with the Load in page
		page = ft.page(fd)
	}
	return &page[fd%slotsPerPage]
}

// take finds the lowest free descriptor from on and reserves it.
//
// Locks: ft.mu held.
func (ft *fileTable) take(c *percpu.CPU, from uint64) (fd uint64, s *slotWord, e Errno) {
	ft.mu.AssertHeld(c)
	low := from <= ft.free
	if fd = ft.lowest(max(from, ft.free)); fd >= maxFiles {
		return 0, nil, EMFILE
	}
	if s = ft.need(c, fd); s == nil {
		return 0, nil, ENOMEM
	}
	s.store(slotReserved)
	if low {
		ft.free = fd + 1
	}
	return fd, s, 0
}

// lowest returns the lowest free descriptor from fd on, at least maxFiles if there is none.
// It may look at every slot, so each costs only a few instructions.
//
// Locks: ft.mu held; not asserted: take, the only caller, has asserted it.
func (ft *fileTable) lowest(fd uint64) uint64 {
	for fd < maxFiles {
		page := ft.page(fd)
		if page == nil {
			break
		}
		for i := fd % slotsPerPage; i < slotsPerPage; i++ {
			if page[i].load() == 0 {
				return fd
			}
			fd++
		}
	}
	return fd
}

// reserve takes the lowest free descriptor for a file that publish puts there.
func (ft *fileTable) reserve(c *percpu.CPU) (fd uint64, e Errno) {
	ft.mu.Lock(c)
	fd, _, e = ft.take(c, 0)
	ft.mu.Unlock(c)
	return fd, e
}

// reservePair reserves two descriptors, or none.
func (ft *fileTable) reservePair(c *percpu.CPU) (first, second uint64, e Errno) {
	if first, e = ft.reserve(c); e != 0 {
		return 0, 0, e
	}
	if second, e = ft.reserve(c); e != 0 {
		ft.cancel(c, first)
	}
	return first, second, e
}

// publish puts a complete file, with a reference, at a reserved descriptor. From now
// on other threads can use and close it.
func (ft *fileTable) publish(c *percpu.CPU, fd uint64, f *File, cloexec bool) {
	ft.mu.Lock(c)
	ft.at(c, fd).store(slotOf(f, cloexec))
	ft.mu.Unlock(c)
}

// cancel frees a reserved descriptor.
func (ft *fileTable) cancel(c *percpu.CPU, fd uint64) {
	ft.mu.Lock(c)
	ft.at(c, fd).store(0)
	ft.free = min(ft.free, fd)
	ft.mu.Unlock(c)
}

// install gives f the lowest free descriptor from on, with the caller's reference.
func (ft *fileTable) install(c *percpu.CPU, f *File, from uint64, cloexec bool) (fd uint64, e Errno) {
	ft.mu.Lock(c)
	fd, s, e := ft.take(c, from)
	if e == 0 {
		s.store(slotOf(f, cloexec))
	}
	ft.mu.Unlock(c)
	return fd, e
}

// replace gives f a certain descriptor, with the caller's reference, and returns the
// file that was there before. A descriptor that is reserved is busy.
func (ft *fileTable) replace(c *percpu.CPU, fd uint64, f *File, cloexec bool) (old *File, e Errno) {
	ft.mu.Lock(c)
	s := ft.need(c, fd)
	switch {
	case s == nil:
		e = ENOMEM
	case s.load() == slotReserved:
		e = EBUSY
	default:
		old = s.load().file()
		s.store(slotOf(f, cloexec))
	}
	ft.mu.Unlock(c)
	return old, e
}

// remove frees a descriptor and returns the file that it had, with its reference.
func (ft *fileTable) remove(c *percpu.CPU, fd uint64) (f *File) {
	fd = uintArg(fd)
	ft.mu.Lock(c)
	if s := ft.at(c, fd); s != nil {
		if f = s.load().file(); f != nil {
			s.store(0)
			ft.free = min(ft.free, fd)
		}
	}
	ft.mu.Unlock(c)
	return f
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
	r := errno(EBADF)
	ft.mu.Lock(c)
	if s := ft.at(c, uintArg(fd)); s != nil && s.load().file() != nil {
		s.store(slotOf(s.load().file(), cloexec))
		r = 0
	}
	ft.mu.Unlock(c)
	return r
}

// closeAll closes every descriptor and frees the table.
//
// Context: no other task uses the table.
func (ft *fileTable) closeAll(c *percpu.CPU) *percpu.CPU {
	for i := range &ft.pages {
		page := ft.page(uint64(i) * slotsPerPage)
		if page == nil {
			continue
		}
		for j := range page {
			if f := page[j].load().file(); f != nil {
				c = sched.Breathe(f.put(c))
			}
		}
		ft.pages[i].Store(0)
		mem.FreeFrame(c, mem.DirectPhys(uintptr(unsafe.Pointer(page))))
		c = sched.Breathe(c)
	}
	return c
}

// open gives a new file a descriptor of t's process.
func (t *Task) open(c *percpu.CPU, f *File, cloexec bool) (*percpu.CPU, uint64) {
	if f == nil {
		return c, errno(ENOMEM)
	}
	fd, e := t.proc.files.install(c, f, 0, cloexec)
	if e != 0 {
		return f.put(c), errno(e)
	}
	return c, fd
}
