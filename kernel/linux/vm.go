package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Flags of mmap.
const (
	mapShared         = 0x1
	mapPrivate        = 0x2
	mapSharedValidate = 0x3
	mapType           = 0xf
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	map32Bit          = 0x40
	mapGrowsDown      = 0x100
	mapLocked         = 0x2000
	mapPopulate       = 0x8000
	mapNonBlock       = 0x10000
	mapHugeTLB        = 0x40000
	mapFixedNoReplace = 0x100000
)

// Addresses for MAP_32BIT, as on Linux.
const (
	low32 = 0x40000000
	end32 = 0x80000000
)

// Bits of the rights that mprotect sets. PROT_SEM has no effect on x86.
const (
	protSem       = 0x8
	protAll       = 7 | protSem
	protGrowsDown = 0x01000000
	protGrowsUp   = 0x02000000
)

const pageMask = layout.PageSize - 1

// rights converts mmap's protection to an area's: x86 can neither write nor execute
// without reading.
func rights(prot uint64) mem.Prot {
	p := mem.Prot(prot & 7)
	if p != 0 {
		p |= mem.ProtRead
	}
	return p
}

// pageRange rounds a length up and checks the range; ok is false when it is
// empty, misaligned or wraps.
func pageRange(addr, length uint64) (start, end uintptr, ok bool) {
	n := (length + pageMask) &^ pageMask
	ok = addr&pageMask == 0 && n >= length && n > 0 && addr+n > addr
	return uintptr(addr), uintptr(addr + n), ok
}

// mapRequest is the arguments of mmap.
type mapRequest struct {
	addr, n uintptr
	prot    mem.Prot
	flags   uint64
}

// sysMmap checks its arguments in Linux's order, so that two errors in one call give
// the same answer.
func sysMmap(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p, flags := t.proc, f.R10
	if f.R9&pageMask != 0 {
		return c, errno(EINVAL)
	}
	if flags&mapAnonymous == 0 {
		file := t.proc.files.get(c, f.R8)
		if file == nil {
			return c, errno(EBADF)
		}
		e := file.notMapped(f.SI, f.DX, flags)
		return file.put(c), errno(e)
	}
	if f.SI == 0 {
		return c, errno(EINVAL)
	}
	r := mapRequest{addr: uintptr(f.DI), n: (uintptr(f.SI) + pageMask) &^ pageMask, prot: rights(f.DX), flags: flags}
	fixed := flags&(mapFixed|mapFixedNoReplace) != 0
	switch {
	case r.n < uintptr(f.SI) || r.n > p.Space.Limit() || fixed && r.addr > p.Space.Limit()-r.n:
		return c, errno(ENOMEM)
	case fixed && r.addr&pageMask != 0:
		return c, errno(EINVAL)
	case flags&mapHugeTLB != 0:
		return c, errno(ENOMEM) // there is no pool of large pages
	}
	r.addr &^= pageMask
	c, at := p.mmap(c, r)
	if p.user && int64(at) > 0 && flags&(mapPopulate|mapLocked) != 0 && flags&mapNonBlock == 0 {
		c, _ = p.populate(c, uintptr(at), uintptr(at)+r.n, 0) // as far as memory goes
	}
	return c, at
}

// notMapped returns why a file cannot be mapped: what is wrong with the request comes before
// that no file can.
func (f *File) notMapped(length, prot, flags uint64) Errno {
	kind := flags & mapType
	if kind == mapSharedValidate {
		kind = mapShared
	}
	switch {
	case length == 0 || kind != mapShared && kind != mapPrivate:
		return EINVAL
	case f.access() == oWronly, kind == mapShared && mem.Prot(prot)&mem.ProtWrite != 0 && f.access() == oRdonly:
		return EACCES
	}
	return ENODEV
}

// mmap makes an area. A program's hint is followed if possible. The kernel's own
// runtime hints at the lower half; its areas are in the upper half instead.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (p *Process) mmap(c *percpu.CPU, r mapRequest) (*percpu.CPU, uint64) {
	if r.flags&(mapFixed|mapFixedNoReplace) == 0 && !p.Space.Mappable(r.addr, r.addr+r.n) {
		return p.mapSomewhere(c, r)
	}
	which := partsOf(r.addr, r.addr+r.n)
	c = p.maps.lock(c, which)
	c, at, done := p.mapThere(c, r)
	p.maps.unlock(c, which)
	if done {
		return c, at
	}
	return p.mapSomewhere(c, r)
}

// mapThere makes an area at r.addr. done is false if that was a hint that cannot be followed.
//
// Locks: p.maps held.
func (p *Process) mapThere(c *percpu.CPU, r mapRequest) (_ *percpu.CPU, at uint64, done bool) {
	p.maps.AssertHeld(c, r.addr, r.addr+r.n)
	s := p.Space
	free := s.Available(c, r.addr, r.addr+r.n) && (r.flags&map32Bit == 0 || r.addr+r.n <= end32)
	fixed := r.flags&(mapFixed|mapFixedNoReplace) != 0
	switch {
	case fixed && !s.Mappable(r.addr, r.addr+r.n):
		return c, errno(EPERM), true // below the lowest address
	case r.flags&mapFixedNoReplace != 0 && !free:
		return c, errno(EEXIST), true
	case !r.kindIsRight():
		return c, errno(EINVAL), true
	case fixed && !free:
		var ok bool
		if c, ok = p.unmap(c, r.addr, r.addr+r.n); !ok {
			return c, errno(ENOMEM), true
		}
	case !free:
		return c, 0, false
	}
	if !s.Insert(c, r.addr, r.addr+r.n, r.prot) {
		current(c).partly = fixed && !free
		return c, errno(ENOMEM), true
	}
	return c, uint64(r.addr), true
}

// kindIsRight reports whether the flags say of which kind an area without a file is.
func (r *mapRequest) kindIsRight() bool {
	return r.flags&mapType == mapPrivate || r.flags&mapType == mapShared && r.flags&mapGrowsDown == 0
}

// mapSomewhere makes an area where room is.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (p *Process) mapSomewhere(c *percpu.CPU, r mapRequest) (_ *percpu.CPU, at uint64) {
	if !r.kindIsRight() {
		return c, errno(EINVAL)
	}
	c, which, addr, ok := p.place(c, r)
	if !ok {
		return c, errno(ENOMEM)
	}
	at = uint64(addr)
	if !p.Space.Insert(c, addr, addr+r.n, r.prot) {
		at = errno(ENOMEM)
	}
	p.maps.unlock(c, which)
	return c, at
}

// placeTries is how often place looks for room before it keeps all others from taking what it finds.
const placeTries = 4

// place finds room for a mapping, and takes the parts of p.maps that the room needs. Free addresses may be those of a call that has unmapped
// something and is about to map them anew. It has their parts, so place looks again when it has them.
//
// Context: no lock held. Returns the CPU on which the task goes on. If ok, the caller unlocks which.
func (p *Process) place(c *percpu.CPU, r mapRequest) (_ *percpu.CPU, which parts, addr uintptr, ok bool) {
	for range placeTries {
		if addr, ok = p.hole(c, r); !ok {
			break
		}
		which = partsOf(addr, addr+r.n)
		c = p.maps.lock(c, which)
		if p.Space.Available(c, addr, addr+r.n) {
			return c, which, addr, true
		}
		p.maps.unlock(c, which)
	}
	c = p.maps.lock(c, allParts)
	if addr, ok = p.hole(c, r); !ok {
		p.maps.unlock(c, allParts)
	}
	return c, allParts, addr, ok
}

// roomOfCPU is how far apart the CPUs begin to look for room: what two threads map at the same time is not at the same
// addresses, nor in the same page table.
const roomOfCPU = 64 << 20

// hole finds free addresses for a mapping: the lowest ones from where the CPU begins to look, or else the lowest ones.
func (p *Process) hole(c *percpu.CPU, r mapRequest) (addr uintptr, ok bool) {
	if r.flags&map32Bit != 0 {
		addr, ok = p.Space.FindHole(c, low32, r.n)
		return addr, ok && addr+r.n <= end32
	}
	if p.user {
		if addr, ok = p.Space.FindHole(c, p.mapBase+uintptr(c.ID)*roomOfCPU, r.n); ok {
			return addr, ok
		}
	}
	if addr, ok = p.Space.FindHole(c, p.mapBase, r.n); !ok {
		addr, ok = p.Space.FindHole(c, 0, r.n)
	}
	return addr, ok
}

func sysMunmap(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	start, end, ok := pageRange(f.DI, f.SI)
	p := t.proc
	if !ok || end > p.Space.Limit() {
		return c, errno(EINVAL)
	}
	which := partsOf(start, end)
	c = p.maps.lock(c, which)
	c, ok = p.unmap(c, start, end)
	p.maps.unlock(c, which)
	if !ok {
		return c, errno(ENOMEM)
	}
	return c, 0
}

// unmap takes all areas, pages and page tables of [start, end) away, one area after
// the other, in steps. Until an area's turn comes, it is as before; during its turn,
// its addresses are neither usable nor free. If memory for splitting an area is
// exhausted, unmap stops and reports false.
//
// Locks: p.maps held.
func (p *Process) unmap(c *percpu.CPU, start, end uintptr) (*percpu.CPU, bool) {
	p.maps.AssertHeld(c, start, end)
	s := p.Space
	for began := false; ; began = true {
		from, to, ok := s.NextArea(c, start, end)
		if !ok {
			return c, true
		}
		if !s.BeginUnmap(c, from, to) {
			current(c).partly = began
			return c, false
		}
		c = p.zap(c, from, to)
		s.EndUnmap(c, from)
		c = p.freeTables(c, from, to)
		c = sched.Breathe(c)
		start = to
	}
}

// zap frees the pages of [start, end).
func (p *Process) zap(c *percpu.CPU, start, end uintptr) *percpu.CPU {
	for start < end {
		if start = p.Space.Zap(c, start, end); start < end {
			c = sched.Breathe(c)
		}
	}
	return c
}

// freeTables frees the page tables that served [start, end) alone.
//
// Locks: p.maps held.
func (p *Process) freeTables(c *percpu.CPU, start, end uintptr) *percpu.CPU {
	p.maps.AssertHeld(c, start, end)
	for level := uint(1); level <= 3; level++ {
		for at := start; at < end; {
			if at = p.Space.FreeTables(c, level, at, end); at < end {
				c = sched.Breathe(c)
			}
		}
	}
	return c
}

func sysMprotect(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	grows := f.DX & (protGrowsDown | protGrowsUp)
	prot := f.DX &^ grows
	switch {
	case grows == protGrowsDown|protGrowsUp || f.DI&pageMask != 0:
		return c, errno(EINVAL)
	case f.SI == 0:
		return c, 0
	}
	start, end, ok := pageRange(f.DI, f.SI)
	switch {
	case !ok:
		return c, errno(ENOMEM)
	case prot&^protAll != 0:
		return c, errno(EINVAL)
	}
	p := t.proc
	which := partsOf(start, end)
	c = p.maps.lock(c, which)
	c, r := p.protect(c, start, end, rights(prot), grows != 0)
	p.maps.unlock(c, which)
	return c, r
}

// protect changes rights, one area after the other, in steps. It stops at a hole, and
// the areas before the hole are changed, as on Linux. Other threads may see some of
// the areas with new rights and some with old ones until protect returns; each page
// has the one or the other. A page that loses a right can be used by a CPU that has
// it in its TLB until that area's step has flushed it.
//
// Locks: p.maps held.
func (p *Process) protect(c *percpu.CPU, start, end uintptr, prot mem.Prot, grows bool) (*percpu.CPU, uint64) {
	p.maps.AssertHeld(c, start, end)
	s := p.Space
	for start < end {
		from, to, ok := s.NextArea(c, start, end)
		if !ok || from != start {
			return c, errno(ENOMEM)
		}
		if grows {
			return c, errno(EINVAL) // no area grows
		}
		if may, lent := s.Lent(c, from); lent && prot&^may != 0 {
			return c, errno(EACCES)
		}
		if !s.SetProt(c, from, to, prot) {
			return c, errno(ENOMEM)
		}
		for from < to {
			if from = s.Reprotect(c, from, to); from < end {
				c = sched.Breathe(c)
			}
		}
		start = to
	}
	return c, 0
}
