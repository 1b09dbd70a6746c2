package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Calls about pages that are there: madvise, mincore, mlock, msync. Each goes through
// the areas of its range one by one, and does what it can although there are holes;
// then the answer is ENOMEM, as on Linux.

// Advice of madvise.
const (
	madvNormal        = 0
	madvRandom        = 1
	madvSequential    = 2
	madvWillNeed      = 3
	madvDontNeed      = 4
	madvFree          = 8
	madvDontFork      = 10
	madvDoFork        = 11
	madvMergeable     = 12
	madvUnmergeable   = 13
	madvHugepage      = 14
	madvNoHugepage    = 15
	madvDontDump      = 16
	madvDoDump        = 17
	madvWipeOnFork    = 18
	madvKeepOnFork    = 19
	madvCold          = 20
	madvPageOut       = 21
	madvPopulateRead  = 22
	madvPopulateWrite = 23
	madvDontNeedNow   = 24
)

// effect is what an advice does here.
type effect uint8

const (
	noAdvice  effect = iota // not known
	noEffect                // there is no fork, no swap, no file and no core dump
	dropPages               // the pages go
	fillRead                // the pages come
	fillWrite               // the pages come, and must be writable
)

func effectOf(advice uint64) effect {
	switch advice {
	case madvNormal, madvRandom, madvSequential, madvWillNeed, madvDontFork, madvDoFork, madvMergeable, madvUnmergeable,
		madvHugepage, madvNoHugepage, madvDontDump, madvDoDump, madvWipeOnFork, madvKeepOnFork, madvCold, madvPageOut:
		return noEffect
	case madvDontNeed, madvFree, madvDontNeedNow:
		return dropPages // MADV_FREE lets the kernel free the pages at any time, so it frees them at once
	case madvPopulateRead:
		return fillRead
	case madvPopulateWrite:
		return fillWrite
	}
	return noAdvice
}

func sysMadvise(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	do := effectOf(uintArg(f.DX))
	start, end, ok := pageRange(f.DI, f.SI)
	switch {
	case do == noAdvice || f.DI&pageMask != 0:
		return c, errno(EINVAL)
	case f.SI == 0:
		return c, 0
	case !ok:
		return c, errno(EINVAL)
	}
	switch do {
	case fillRead:
		return t.proc.populate(c, start, end, mem.ProtRead)
	case fillWrite:
		return t.proc.populate(c, start, end, mem.ProtWrite)
	}
	return t.proc.eachArea(c, start, end, do == dropPages)
}

// eachArea and populate change pages, and no area, so they do without Process.maps: each step
// takes the areas as it finds them, under the lock of the space, as a page fault does. Areas
// that another thread makes or unmaps meanwhile are met, or not, as if that call came before
// or after the step.

// eachArea goes through the areas of [start, end), and frees their pages if drop is
// set. The result is ENOMEM if there are holes.
func (p *Process) eachArea(c *percpu.CPU, start, end uintptr, drop bool) (*percpu.CPU, uint64) {
	r := uint64(0)
	for start < end {
		from, to, ok := p.Space.NextPart(c, start, end)
		if !ok || from != start {
			r = errno(ENOMEM)
		}
		if !ok {
			break
		}
		if drop {
			c = p.zap(c, from, to)
		}
		if start = to; start < end {
			c = sched.Breathe(c)
		}
	}
	return c, r
}

// populateStep is the number of pages that populate brings in between two pauses.
const populateStep = 16

// populate brings in the pages of [start, end), and stops where it cannot: ENOMEM at
// a hole or when memory is exhausted, EINVAL at an area without the right need.
func (p *Process) populate(c *percpu.CPU, start, end uintptr, need mem.Prot) (*percpu.CPU, uint64) {
	for start < end {
		from, to, ok := p.Space.NextPart(c, start, end)
		if !ok || from != start {
			return c, errno(ENOMEM)
		}
		if prot := p.Space.ProtAt(c, from); prot == 0 || prot&need != need {
			return c, errno(EINVAL)
		}
		for n := 1; from < to; n++ {
			if _, out := p.Space.Page(c, from); out != mem.Resolved {
				return c, errno(ENOMEM)
			}
			from += layout.PageSize
			if n%populateStep == 0 {
				c = sched.Breathe(c)
				if current(c).interrupted() {
					return c, errno(EINTR)
				}
			}
		}
		start = to
	}
	return c, 0
}

// mincoreStep is the number of pages that mincore answers at a time.
const mincoreStep = 64

func sysMincore(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI&pageMask != 0 {
		return c, errno(EINVAL)
	}
	start, end, ok := pageRange(f.DI, f.SI)
	switch {
	case f.SI == 0:
		return c, 0
	case !ok || end > t.Space.Limit():
		return c, errno(ENOMEM)
	case !t.Space.Holds(uintptr(f.DX), (end-start)/layout.PageSize):
		return c, errno(EFAULT)
	}
	var out [mincoreStep]byte
	for vec := uintptr(f.DX); start < end; {
		bits, n := t.Space.Present(c, start, min(int((end-start)/layout.PageSize), len(out)))
		if n == 0 {
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

// Flags of mlock2 and msync.
const (
	mlockOnFault = 1
	msAsync      = 1
	msInvalidate = 2
	msSync       = 4
)

// sysMlock brings the pages in. Nothing takes them away again: there is no swap.
func sysMlock(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return t.proc.lockPages(c, f, true)
}

func sysMlock2(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if uint32(f.DX)&^mlockOnFault != 0 {
		return c, errno(EINVAL)
	}
	return t.proc.lockPages(c, f, f.DX&mlockOnFault == 0)
}

func sysMunlock(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return t.proc.lockPages(c, f, false)
}

// lockPages checks the range of mlock and its like, which need not be aligned, and
// brings its pages in if fill is set.
func (p *Process) lockPages(c *percpu.CPU, f *cpu.Frame, fill bool) (*percpu.CPU, uint64) {
	first := f.DI &^ pageMask
	start, end, ok := pageRange(first, f.SI+f.DI-first)
	switch {
	case (f.SI+f.DI-first+pageMask)&^pageMask == 0: // also a length that wraps when it is rounded up
		return c, 0
	case !ok || f.SI+f.DI-first < f.SI:
		return c, errno(EINVAL)
	}
	c, r := p.eachArea(c, start, end, false)
	if r == 0 && fill {
		if c, r = p.populate(c, start, end, 0); r == errno(EINVAL) {
			r = errno(ENOMEM)
		}
	}
	return c, r
}

// sysMsync has nothing to write: no area has a file.
func sysMsync(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	start, end, ok := pageRange(f.DI, f.SI)
	flags := uint32(f.DX)
	switch {
	case flags&^(msAsync|msInvalidate|msSync) != 0 || f.DI&pageMask != 0 || flags&(msAsync|msSync) == msAsync|msSync:
		return c, errno(EINVAL)
	case (f.SI+pageMask)&^pageMask == 0: // also a length that wraps when it is rounded up
		return c, 0
	case !ok:
		return c, errno(ENOMEM)
	}
	return t.proc.eachArea(c, start, end, false)
}
