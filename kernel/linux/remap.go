package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Flags of mremap.
const (
	mremapMayMove   = 1
	mremapFixed     = 2
	mremapDontUnmap = 4
)

// remapRequest is the arguments of mremap; sizes are whole pages.
type remapRequest struct {
	addr, old, n, to uintptr
	flags            uint64
}

// sysMremap changes the size of a part of an area, in place or elsewhere.
func sysMremap(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p := t.proc
	r := remapRequest{uintptr(f.DI), (uintptr(f.SI) + pageMask) &^ pageMask, (uintptr(f.DX) + pageMask) &^ pageMask, uintptr(f.R8), f.R10}
	limit := p.Space.Limit()
	switch {
	case r.flags&^(mremapMayMove|mremapFixed|mremapDontUnmap) != 0,
		r.flags&mremapMayMove == 0 && r.flags&(mremapFixed|mremapDontUnmap) != 0,
		r.flags&mremapDontUnmap != 0 && r.old != r.n,
		r.addr&pageMask != 0, r.n == 0:
		return c, errno(EINVAL)
	case r.flags&mremapFixed != 0 && (r.to&pageMask != 0 || r.n > limit || r.to > limit-r.n || r.to < r.addr+r.old && r.addr < r.to+r.n):
		return c, errno(EINVAL)
	case r.flags&mremapDontUnmap != 0:
		return c, errno(EINVAL) // as Linux before 5.7
	}
	which := partsOf(r.addr, r.addr+max(r.old, r.n))
	if r.flags&mremapFixed != 0 || r.old > limit {
		which = allParts
	}
	c = p.maps.lock(c, which)
	c, at, done := p.remap(c, r, which == allParts)
	if !done {
		p.maps.unlock(c, which)
		which = allParts
		c = p.maps.lock(c, which)
		c, at, _ = p.remap(c, r, true)
	}
	current(c).partly = at == errno(ENOMEM) && (r.flags&mremapFixed != 0 || r.old > r.n)
	p.maps.unlock(c, which)
	return c, at
}

// remap does the work of mremap on arguments that are valid by themselves. done is false if pages are to move, which needs all addresses, and
// nothing has been done. all says that the caller has all parts of p.maps; otherwise it has those of the old and the new range.
//
// Locks: p.maps held.
func (p *Process) remap(c *percpu.CPU, r remapRequest, all bool) (_ *percpu.CPU, at uint64, done bool) {
	p.maps.AssertHeld(c, r.addr, r.addr+r.n)
	s := p.Space
	from, to, ok := s.NextArea(c, r.addr, s.Limit())
	if !ok || from != r.addr {
		return c, errno(EFAULT), true
	}
	if _, lent := s.Lent(c, r.addr); lent && (r.old != r.n || r.flags&mremapFixed != 0) {
		return c, errno(EFAULT), true // Linux lets it move; here nothing does that
	}
	if r.old > r.n && r.old > s.Limit()-r.addr { // the sum with addr might wrap
		return c, errno(EINVAL), true
	}
	c, e := p.unmapForRemap(c, &r)
	if e != 0 {
		return c, errno(e), true
	}
	fixed := r.flags&mremapFixed != 0
	switch {
	case r.old == r.n && !fixed:
		return c, uint64(r.addr), true
	case r.old == 0:
		return c, errno(EINVAL), true // a second mapping of shared memory, which there is not
	case r.old > to-from:
		return c, errno(EFAULT), true
	}
	prot := s.ProtAt(c, r.addr)
	if !fixed && r.addr+r.old == to && s.Available(c, to, r.addr+r.n) {
		if !s.Insert(c, to, r.addr+r.n, prot) {
			return c, errno(ENOMEM), true
		}
		return c, uint64(r.addr), true
	}
	if r.flags&mremapMayMove == 0 {
		return c, errno(ENOMEM), true
	}
	if !all {
		return c, 0, false
	}
	if !fixed {
		if r.to, ok = p.hole(c, mapRequest{n: r.n}); !ok {
			return c, errno(ENOMEM), true
		}
	}
	c, at = p.move(c, r, prot)
	return c, at, true
}

// unmapForRemap takes away what mremap replaces at a fixed new place, and what lies
// beyond the new size.
//
// Locks: p.maps held.
func (p *Process) unmapForRemap(c *percpu.CPU, r *remapRequest) (_ *percpu.CPU, e Errno) {
	p.maps.AssertHeld(c, r.addr, r.addr+r.n)
	ok := true
	if r.flags&mremapFixed != 0 {
		if !p.Space.Mappable(r.to, r.to+r.n) {
			return c, EPERM
		}
		if c, ok = p.unmap(c, r.to, r.to+r.n); !ok {
			return c, ENOMEM
		}
	}
	if r.old > r.n {
		if c, ok = p.unmap(c, r.addr+r.n, r.addr+r.old); !ok {
			return c, ENOMEM
		}
		r.old = r.n
	}
	return c, 0
}

// move moves the pages of [r.addr, r.addr+r.old) to r.to, where n bytes are free, in
// steps. Neither the old nor the new addresses can be used meanwhile. If memory for
// page tables is exhausted, the pages go back.
//
// Locks: p.maps held.
func (p *Process) move(c *percpu.CPU, r remapRequest, prot mem.Prot) (*percpu.CPU, uint64) {
	p.maps.AssertHeld(c, 0, ^uintptr(0))
	s := p.Space
	if !s.BeginUnmap(c, r.addr, r.addr+r.old) {
		return c, errno(ENOMEM)
	}
	if !s.InsertUnusable(c, r.to, r.to+r.n, prot) {
		s.Revive(c, r.addr)
		return c, errno(ENOMEM)
	}
	from, to, end, gone := r.addr, r.to, r.addr+r.old, r.addr
	failed := false
	for from < end {
		next, ok := s.Move(c, from, to, end)
		to += next - from
		from = next
		if !ok { // back again; the tables there exist
			failed = true
			from, to, end, gone = r.to, r.addr, to, r.to
		}
		if from < end {
			c = sched.Breathe(c)
		}
	}
	size := r.old
	if failed {
		s.Revive(c, r.addr)
		size = r.n
	} else {
		s.Revive(c, r.to)
	}
	s.EndUnmap(c, gone)
	c = p.freeTables(c, gone, gone+size)
	if failed {
		return c, errno(ENOMEM)
	}
	return c, uint64(r.to)
}

// sysBrk moves the end of the data area, which begins above the program's segments, and returns it. ENOMEM
// says that the end cannot be had: the program gets the present one instead, from endOfData.
func sysBrk(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p, s := t.proc, t.Space
	c = p.brkMu.Lock(c)
	want := uintptr(f.DI)
	old, end := (p.brk+pageMask)&^pageMask, (want+pageMask)&^pageMask
	ok := p.brkStart != 0 && want >= p.brkStart && end >= want && end <= s.Limit()
	if ok && end != old {
		which := partsOf(min(old, end), max(old, end))
		c = p.maps.lock(c, which)
		if end > old {
			ok = s.Available(c, old, end) && s.Insert(c, old, end, mem.ProtRead|mem.ProtWrite)
		} else {
			c, ok = p.unmap(c, end, old)
		}
		p.maps.unlock(c, which)
	}
	r := errno(ENOMEM)
	if ok {
		p.brk = want
		r = uint64(want)
	}
	p.brkMu.Unlock(c)
	return c, r
}

// endOfData returns the end of the data area.
func (p *Process) endOfData(c *percpu.CPU) (*percpu.CPU, uint64) {
	c = p.brkMu.Lock(c)
	end := uint64(p.brk)
	p.brkMu.Unlock(c)
	return c, end
}
