//go:build explore

package mem

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// faulting is a space with one page in its area, whose CPUs store to the page while CPU 0
// changes the area. Each CPU has a TLB, and frames of its own to begin with.
type faulting struct {
	*page
	s      *Space
	tlb    []uint64    // by CPU: the entry that it has cached, 0 for none
	over   atom.Uint32 // 1: no store may happen any more
	frames uint64      // all there are
	quicks
}

// quicks is the code under test.
type quicks struct {
	quick  func(s *Space, c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) bool
	change func(m *faulting, c *percpu.CPU)
}

const (
	faultAddr  = 1 << 30
	faultPages = 2 // frames of each CPU
)

func newFaulting(t *testing.T, cpus int, under quicks) *faulting {
	m := &faulting{page: newPage(cpus, shipping), tlb: make([]uint64, cpus), s: wideSpace(t), quicks: under}
	pt, _ := hostTables(t, m.s, 4+faultPages*uintptr(cpus))
	m.s.number = 7
	frames.caching.Store(1) // each CPU allocates from its own cache
	t.Cleanup(func() { frames.caching.Store(0) })
	m.s.cpus = &m.set
	for _, c := range m.cpus {
		c.Space = uintptr(unsafe.Pointer(m.s))
		cacheOf(c).most = 100
		for range faultPages {
			FreeFrame(c, pt.page())
			m.frames++
		}
	}
	if !m.s.Insert(cpu0, faultAddr, faultAddr+pg, ProtRead|ProtWrite) {
		panic("no memory for an area")
	}
	pt.entry(faultAddr)
	m.s.tables = 3
	for _, c := range m.cpus { // as after a page fault
		m.s.remember(c, m.s.find(faultAddr))
	}
	reload = func(c *percpu.CPU) {
		m.tlb[c.ID] = 0
		if c.ID != 0 {
			m.load(c) // hardware may, at once
		}
	}
	invalidate = func(c *percpu.CPU, _ uintptr) { reload(c) }
	return m
}

// load brings the translation into a TLB, if there is one. The hardware sets the accessed bit
// first, in one step with the look.
func (m *faulting) load(c *percpu.CPU) {
	e := entryOf(m.s.root, faultAddr)
	if e == nil {
		return
	}
	if v := word(e).Load(); v&ptePresent != 0 && word(e).CompareAndSwap(v, v|1<<5) {
		m.tlb[c.ID] = v
	}
}

// store writes to the page until that works, or the kernel refuses.
func (m *faulting) store(c *percpu.CPU) {
	for {
		if m.tlb[c.ID] == 0 {
			m.load(c)
		}
		if m.tlb[c.ID]&pteWrite != 0 {
			if m.over.Load() != 0 && m.tlb[c.ID] != 0 {
				panic("a store through a translation that was taken away")
			}
			return
		}
		m.tlb[c.ID] = 0 // a page fault drops the entry
		if m.fault(c, ProtWrite) != Resolved {
			return
		}
		m.interrupt(c)
		atom.Pause()
	}
}

// fault is Space.Fault, with the code under test.
func (m *faulting) fault(c *percpu.CPU, need Prot) Outcome {
	p, ok := AllocFrame(c)
	if !ok {
		panic("a CPU has no frame left")
	}
	if m.quick(m.s, c, faultAddr, need, &p) {
		return Resolved
	}
	m.s.mu.Lock(c)
	out := m.s.resolve(c, faultAddr, need, &p)
	m.s.mu.Unlock(c)
	if p != 0 {
		FreeFrame(c, p)
	}
	return out
}

// check compares the frames that are free and those that the space has with all there are.
func (m *faulting) check() error {
	free, held := uint64(0), uint64(0)
	for _, c := range m.cpus {
		k := cacheOf(c)
		for n := k.first; n != frameNone; n = *frameWord(n) {
			free++
		}
	}
	if e := entryOf(m.s.root, faultAddr); e != nil && *e != 0 {
		held++
		if *e&pteComing != 0 {
			return errors.New("a page is still coming")
		}
	}
	switch {
	case free+held != m.frames:
		return errors.New("a frame is lost, or twice there")
	case m.s.Charged() != held:
		return errors.New("a page is not counted")
	case held != 0 && m.s.find(faultAddr) == nil:
		return errors.New("a page without an area")
	}
	return nil
}

// changes searches CPUs that store to a page while CPU 0 changes its area.
func changes(t *testing.T, cpus, preemptions int, under quicks) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newFaulting(t, cpus, under)
		programs := []func(){func() {
			under.change(m, m.cpus[0])
			m.over.Store(1)
			m.done.Add(1)
		}}
		for _, c := range m.cpus[1:] {
			programs = append(programs, func() {
				m.store(c)
				for m.done.Load() == 0 {
					m.interrupt(c)
					atom.Pause()
				}
				m.store(c)
			})
		}
		return programs, m.check
	}})
}

// unmapped is what munmap does, without the part that frees page tables.
func unmapped(m *faulting, c *percpu.CPU) {
	m.s.BeginUnmap(c, faultAddr, faultAddr+pg)
	m.s.Zap(c, faultAddr, faultAddr+pg)
	m.s.EndUnmap(c, faultAddr)
}

// replaced is mmap over the area, with fewer rights.
func replaced(m *faulting, c *percpu.CPU) {
	unmapped(m, c)
	m.s.Insert(c, faultAddr, faultAddr+pg, ProtRead)
}

// protected is what mprotect does.
func protected(m *faulting, c *percpu.CPU) {
	m.s.SetProt(c, faultAddr, faultAddr+pg, ProtRead)
	m.s.Reprotect(c, faultAddr, faultAddr+pg)
}

// hidden is mprotect that takes all rights.
func hidden(m *faulting, c *percpu.CPU) {
	m.s.SetProt(c, faultAddr, faultAddr+pg, 0)
	m.s.Reprotect(c, faultAddr, faultAddr+pg)
}

var changing = map[string]func(m *faulting, c *percpu.CPU){"munmap": unmapped, "mmap": replaced, "mprotect": protected, "PROT_NONE": hidden}

// A page fault without the lock leaves no page where none may be, no right that was taken away,
// and loses no frame.
func TestQuickFault(t *testing.T) {
	for name, change := range changing {
		for _, m := range []struct{ cpus, preemptions int }{{2, explore.Bound(2, 3)}, {3, explore.Bound(1, 2)}} {
			r := changes(t, m.cpus, m.preemptions, quicks{(*Space).quick, change})
			t.Log(name, r)
			require.NoError(t, r.Err, name)
			require.True(t, r.Complete)
		}
	}
}

// Negative control: a page fault that does not look a second time.
func TestOneLookAtChangesIsFound(t *testing.T) {
	for name, change := range changing {
		r := changes(t, 2, 2, quicks{func(s *Space, c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) bool {
			if Prot(c.AreaProt)&need == 0 || s.changes.Load() != c.AreaSeq {
				return false
			}
			if !word(entryOf(s.root, addr)).CompareAndSwap(0, uint64(*page)|c.AreaBits) {
				return false
			}
			*page = 0
			s.charge(c, 1)
			return true
		}, change})
		t.Log(name, r)
		require.Error(t, r.Err, name)
	}
}

// Negative control: the page is there at once, and taken back if the area has changed.
func TestPageAtOnceIsFound(t *testing.T) {
	for _, name := range []string{"PROT_NONE"} {
		r := changes(t, 3, 2, quicks{func(s *Space, c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) bool {
			if Prot(c.AreaProt)&need == 0 || s.changes.Load() != c.AreaSeq {
				return false
			}
			w := word(entryOf(s.root, addr))
			now := uint64(*page) | c.AreaBits
			if w.Load() != 0 || !w.CompareAndSwap(0, now) {
				return false
			}
			if s.changes.Load() != c.AreaSeq && w.CompareAndSwap(now, 0) {
				return false
			}
			*page = 0
			s.charge(c, 1)
			return true
		}, changing[name]})
		t.Log(name, r)
		require.Error(t, r.Err, name)
	}
}

// Negative control: the change is counted after the page tables are done.
func TestLateCountIsFound(t *testing.T) {
	r := changes(t, 2, 2, quicks{(*Space).quick, func(m *faulting, c *percpu.CPU) {
		m.s.mu.Lock(c)
		a := m.s.find(faultAddr)
		a.dying = true
		m.s.mu.Unlock(c)
		m.s.Zap(c, faultAddr, faultAddr+pg)
		m.s.changes.Add(1)
		m.s.EndUnmap(c, faultAddr)
	}})
	t.Log(r)
	require.Error(t, r.Err)
}

// Negative control: mprotect stores rights without a look at what the entry is by then.
func TestBlindRightsAreFound(t *testing.T) {
	r := changes(t, 2, 2, quicks{(*Space).quick, func(m *faulting, c *percpu.CPU) {
		m.s.SetProt(c, faultAddr, faultAddr+pg, ProtRead)
		m.s.mu.Lock(c)
		e := word(entryOf(m.s.root, faultAddr))
		if v := e.Load(); v != 0 {
			e.Store(v&kept | m.s.pageBits(ProtRead))
		}
		m.s.mu.Unlock(c)
		m.s.flush(c)
	}})
	t.Log(r)
	require.Error(t, r.Err)
}

// drops searches CPUs that drop the page and look whether it is there, while CPU 0 unmaps it, frees its page tables, and
// uses their frames for something else; one more CPU stores to it.
func drops(t *testing.T, cpus, preemptions int, zap func(s *Space, c *percpu.CPU)) explore.Result {
	const other = pteHidden | pteLent // what the frames of the tables have in them later
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newFaulting(t, cpus, quicks{quick: (*Space).quick})
		var reused []*[entries]uint64
		programs := []func(){func() {
			c := m.cpus[0]
			unmapped(m, c)
			for level := uint(1); level <= 3; level++ {
				m.s.FreeTables(c, level, faultAddr, faultAddr+pg)
				p, _ := allocFrame(c)
				memory := ptr[[entries]uint64](frames.memory + uintptr(p))
				for i := range memory {
					memory[i] = other
				}
				reused = append(reused, memory)
			}
			m.done.Add(1)
		}}
		for i, c := range m.cpus[1:] {
			programs = append(programs, func() {
				if i == 0 {
					m.store(c)
				}
				zap(m.s, c)
				if _, n := m.s.Present(c, faultAddr, 1); n != 0 && m.done.Load() != 0 {
					panic("a page without an area")
				}
				for m.done.Load() == 0 {
					m.interrupt(c)
					atom.Pause()
				}
			})
		}
		return programs, func() error {
			for _, memory := range reused {
				for _, v := range memory {
					if v != other {
						return errors.New("a page table was used after it was freed")
					}
				}
			}
			if m.s.tables != 0 {
				return errors.New("a page table is left")
			}
			return m.check() // three page tables have become free, and three frames were taken
		}
	}})
}

// Pages are dropped without the lock while they come and go, and while their page tables go: no frame is lost or freed twice, and no
// table is used that is another's memory by then.
func TestDropWithoutLock(t *testing.T) {
	for _, m := range []struct{ cpus, preemptions int }{{2, explore.Bound(2, 3)}, {3, explore.Bound(1, 2)}} {
		r := drops(t, m.cpus, m.preemptions, func(s *Space, c *percpu.CPU) { s.Zap(c, faultAddr, faultAddr+pg) })
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU that walks through page tables and answers flushes meanwhile.
func TestWalkThatAnswersIsFound(t *testing.T) {
	r := drops(t, 2, 3, func(s *Space, c *percpu.CPU) {
		w := walk{s: s, at: faultAddr, end: faultAddr + pg}
		e := w.next()
		Answer(c)
		if e != nil && word(e).Load() != 0 {
			if v := word(e).Swap(0); v != 0 {
				if p, ok := owned(v); ok {
					s.charge(c, ^uint64(0))
					FreeFrame(c, p)
				}
			}
		}
	})
	t.Log(r)
	require.ErrorContains(t, r.Err, "after it was freed")
}

// Negative control: a page is taken by a load and a store.
func TestDropWithoutSwapIsFound(t *testing.T) {
	r := drops(t, 2, 2, func(s *Space, c *percpu.CPU) {
		w := walk{s: s, at: faultAddr, end: faultAddr + pg}
		if e := w.next(); e != nil {
			if v := word(e).Load(); v != 0 {
				word(e).Store(0)
				s.charge(c, ^uint64(0))
				s.flush(c)
				FreeFrame(c, PhysAddr(v&pteAddr))
			}
		}
	})
	t.Log(r)
	require.Error(t, r.Err)
}
