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
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	mapFixedNoReplace = 0x100000
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

func sysMmap(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p, flags := t.proc, f.R10
	if flags&mapAnonymous == 0 {
		file := t.proc.files.get(c, f.R8)
		if file == nil {
			return c, errno(EBADF)
		}
		file.put(c)
		return c, errno(ENODEV)
	}
	hint := f.DI
	fixed := flags&(mapFixed|mapFixedNoReplace) != 0
	if !fixed {
		hint &^= pageMask
	}
	_, _, ok := pageRange(0, f.SI)
	if !ok || fixed && hint&pageMask != 0 {
		return c, errno(EINVAL)
	}
	c = p.mapMu.Lock(c)
	c, r := p.mmap(c, uintptr(hint), (uintptr(f.SI)+pageMask)&^pageMask, rights(f.DX), flags)
	p.mapMu.Unlock(c)
	return c, r
}

// mmap makes an area of n bytes. A program's hint is followed if possible. The
// kernel's own runtime hints at the lower half; its areas are in the upper half
// instead.
//
// Locks: p.mapMu held.
func (p *Process) mmap(c *percpu.CPU, addr, n uintptr, prot mem.Prot, flags uint64) (*percpu.CPU, uint64) {
	p.mapMu.AssertHeld(c)
	s := p.Space
	free := s.Available(c, addr, addr+n)
	switch {
	case flags&mapFixedNoReplace != 0 && !free:
		if !s.Mappable(addr, addr+n) {
			return c, errno(ENOMEM)
		}
		return c, errno(EEXIST)
	case flags&mapFixed != 0 && !free:
		if !s.Mappable(addr, addr+n) {
			return c, errno(ENOMEM)
		}
		if c = p.unmap(c, addr, addr+n); !s.Available(c, addr, addr+n) {
			return c, errno(ENOMEM)
		}
	case !free:
		var ok bool
		if addr, ok = s.FindHole(c, p.mapBase, n); !ok {
			if addr, ok = s.FindHole(c, 0, n); !ok {
				return c, errno(ENOMEM)
			}
		}
	}
	if !s.Insert(c, addr, addr+n, prot) {
		return c, errno(ENOMEM)
	}
	return c, uint64(addr)
}

func sysMunmap(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	start, end, ok := pageRange(f.DI, f.SI)
	if !ok {
		return c, errno(EINVAL)
	}
	p := t.proc
	c = p.mapMu.Lock(c)
	c = p.unmap(c, start, end)
	free := !p.Space.Mappable(start, end) || p.Space.Available(c, start, end)
	p.mapMu.Unlock(c)
	if !free {
		return c, errno(ENOMEM)
	}
	return c, 0
}

// unmap takes all areas and pages of [start, end) away, one area after the other,
// with pauses for interrupts. If memory for splitting an area is exhausted it
// stops.
//
// Locks: p.mapMu held.
func (p *Process) unmap(c *percpu.CPU, start, end uintptr) *percpu.CPU {
	p.mapMu.AssertHeld(c)
	s := p.Space
	for {
		from, to, ok := s.NextArea(c, start, end)
		if !ok || !s.BeginUnmap(c, from, to) {
			return c
		}
		c = p.zap(c, from, to)
		s.EndUnmap(c, from, to)
		c = sched.Breathe(c)
		start = to
	}
}

// zap frees the pages of [start, end) that belong to areas.
//
// Locks: p.mapMu held.
func (p *Process) zap(c *percpu.CPU, start, end uintptr) *percpu.CPU {
	p.mapMu.AssertHeld(c)
	for start < end {
		from, to, ok := p.Space.NextArea(c, start, end)
		if !ok {
			return c
		}
		for from < to {
			from = p.Space.Zap(c, from, to)
			if from < to {
				c = sched.Breathe(c)
			}
		}
		start = to
	}
	return c
}

func sysMprotect(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI == 0 && f.DI&pageMask == 0 {
		return c, 0
	}
	start, end, ok := pageRange(f.DI, f.SI)
	if !ok {
		return c, errno(EINVAL)
	}
	p := t.proc
	c = p.mapMu.Lock(c)
	r := errno(ENOMEM)
	if p.Space.Covered(c, start, end) && p.Space.SetProt(c, start, end, rights(f.DX)) {
		for start < end {
			if start = p.Space.Reprotect(c, start, end); start < end {
				c = sched.Breathe(c)
			}
		}
		r = 0
	}
	p.mapMu.Unlock(c)
	return c, r
}

// Advice of madvise.
const (
	madvNormal      = 0
	madvRandom      = 1
	madvSequential  = 2
	madvWillNeed    = 3
	madvDontNeed    = 4
	madvFree        = 8
	madvHugepage    = 14
	madvNoHugepage  = 15
	madvDontDump    = 16
	madvDoDump      = 17
	madvDontNeedNow = 24
)

func sysMadvise(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI == 0 && f.DI&pageMask == 0 {
		return c, 0
	}
	start, end, ok := pageRange(f.DI, f.SI)
	if !ok {
		return c, errno(EINVAL)
	}
	p := t.proc
	switch f.DX {
	case madvNormal, madvRandom, madvSequential, madvWillNeed, madvHugepage, madvNoHugepage, madvDontDump, madvDoDump:
		return c, 0
	case madvDontNeed, madvFree, madvDontNeedNow:
		// MADV_FREE lets the kernel free the pages at any time, so it frees them at once.
		c = p.mapMu.Lock(c)
		r := errno(ENOMEM)
		if p.Space.Covered(c, start, end) {
			c = p.zap(c, start, end)
			r = 0
		}
		p.mapMu.Unlock(c)
		return c, r
	}
	return c, errno(EINVAL)
}

func sysMincore(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	start, end, ok := pageRange(f.DI, f.SI)
	if !ok {
		return c, errno(EINVAL)
	}
	var out [64]byte
	for vec := uintptr(f.DX); start < end; {
		n := min(int((end-start)/layout.PageSize), len(out))
		bits, ok := t.Space.Present(c, start, n)
		if !ok {
			return c, errno(ENOMEM)
		}
		for i := range n {
			out[i] = byte(bits >> i & 1)
		}
		if !t.Space.CopyOut(c, vec, ptrTo(&out), uintptr(n)) {
			return c, errno(EFAULT)
		}
		vec += uintptr(n)
		start += uintptr(n) * layout.PageSize
		if start < end {
			c = sched.Breathe(c)
		}
	}
	return c, 0
}

// sysBrk refuses, because there is no break to move. Callers use mmap instead.
func sysBrk(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) { return c, 0 }
