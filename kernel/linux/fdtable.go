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
// The lock guards pages, and the search for a free slot; get and peek read pages and slots without it, and
// a slot that has a certain number changes without it (fdchange.go).
type fileTable struct {
	mu    lock.Spin
	user  bool                     // of a program: the kernel's reserve is not for it
	pages [tablePages]atom.Uintptr // *slotPage; 0, or made once
	free  atom.Uint64              // no descriptor below is free; maxFiles during a search; stored under mu
	gate  atom.Uint32              // 1: a slot changes under the lock alone; stored under mu
}

// slotPage is a page of a table: slots.
type slotPage [slotsPerPage]slotWord

// slotWord is the memory of one slot. One that is reserved is stored by the system call that has reserved it; others change by swap.
type slotWord struct{ v atom.Uintptr }

func (w *slotWord) load() slot { return slot(w.v.Load()) }

func (w *slotWord) store(s slot) { w.v.Store(uintptr(s)) }

func (w *slotWord) swap(old, s slot) bool { return w.v.CompareAndSwap(uintptr(old), uintptr(s)) }

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

// find returns the slot of a descriptor, nil if its page has not been made. The slot may change at any time.
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

// need is find, and makes the page. nil means that memory is exhausted.
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

// take finds the lowest free descriptor from on and reserves it. A slot that another CPU frees, and that the search has
// passed, is noted when the search has ended: see freed.
//
// Locks: ft.mu held.
func (ft *fileTable) take(c *percpu.CPU, from uint64) (fd uint64, s *slotWord, e Errno) {
	ft.mu.AssertHeld(c)
	free := ft.free.Load()
	low := from <= free
	if low {
		ft.free.Store(maxFiles) // a fence; pairs with the swap before freed
	}
	for fd = max(from, free); ; fd++ {
		if fd = ft.lowest(fd); fd >= maxFiles {
			return 0, nil, EMFILE
		}
		if s = ft.need(c, fd); s == nil || s.swap(0, slotReserved) { // else dup2 has taken it
			break
		}
	}
	next := fd + 1
	if s == nil {
		next, e = fd, ENOMEM
	}
	if low {
		ft.free.Publish(next) // before the slot has a file, which may be closed
	}
	return fd, s, e
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
func (ft *fileTable) publish(fd uint64, f *File, cloexec bool) {
	ft.find(fd).store(slotOf(f, cloexec))
}

// cancel frees a reserved descriptor.
func (ft *fileTable) cancel(c *percpu.CPU, fd uint64) {
	ft.find(fd).store(0)
	ft.freed(c, fd)
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
