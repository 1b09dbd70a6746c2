//go:build explore

package mem

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// moves searches mremap of one page on CPU 2, while CPU 1 drops what is at the new place, and CPU 0 stores to the old one by what its TLB has. A
// frame that is stored to is not free.
func moves(t *testing.T, preemptions int, move func(s *Space, c *percpu.CPU, start, to, end uintptr) (uintptr, bool)) explore.Result {
	const to = faultAddr + pg
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newFaulting(t, 3, quicks{quick: (*Space).quick})
		frame, _ := allocFrame(m.cpus[2])
		*entryOf(m.s.root, faultAddr) = uint64(frame) | m.s.pageBits(ProtRead|ProtWrite)
		m.s.charge(m.cpus[2], 1)
		invalidate = func(c *percpu.CPU, va uintptr) {
			if va == faultAddr {
				reload(c)
			}
		}
		m.load(m.cpus[0])
		m.s.BeginUnmap(m.cpus[2], faultAddr, faultAddr+pg)
		m.s.InsertUnusable(m.cpus[2], to, to+pg, ProtRead|ProtWrite)
		return []func(){
			func() {
				c := m.cpus[2]
				if _, ok := move(m.s, c, faultAddr, to, faultAddr+pg); !ok {
					panic("no memory for a page table")
				}
				m.end(c)
			},
			func() {
				c := m.cpus[1]
				m.s.Zap(c, to, to+pg)
				m.end(c)
			},
			func() {
				c := m.cpus[0]
				for m.done.Load() < 2 {
					if v := m.tlb[c.ID]; v != 0 && m.isFree(uint32(v&pteAddr>>12)) {
						panic("a store to a frame that is free")
					}
					m.interrupt(c)
					atom.Pause()
				}
			},
		}, func() error { return nil }
	}})
}

// isFree reports whether a frame is in a CPU's cache of free frames.
func (m *faulting) isFree(frame uint32) bool {
	for _, c := range m.cpus {
		for n := cacheOf(c).first; n != frameNone; n = *frameWord(n) {
			if n == frame {
				return true
			}
		}
	}
	return false
}

// end counts a CPU that has made its change, and answers flushes until the other one has made its own.
func (m *faulting) end(c *percpu.CPU) {
	m.done.Add(1)
	for m.done.Load() < 2 {
		m.interrupt(c)
		atom.Pause()
	}
}

// A page that is dropped while it moves is free when no CPU has a translation of its old address.
func TestMovedPageDropped(t *testing.T) {
	r := moves(t, explore.Bound(2, 3), (*Space).Move)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: the page is at its new place before the CPUs have dropped the translation of the old one.
func TestMoveBeforeFlushIsFound(t *testing.T) {
	r := moves(t, 2, func(s *Space, c *percpu.CPU, start, to, _ uintptr) (uintptr, bool) {
		s.mu.Lock(c)
		v := word(entryOf(s.root, start)).Swap(0)
		word(entryOf(s.root, to)).Store(v)
		s.mu.Unlock(c)
		s.flushPages(c, pagesOf(start, start+pg), lazyLate)
		return start + pg, true
	})
	t.Log(r)
	require.ErrorContains(t, r.Err, "a store to a frame that is free")
}
