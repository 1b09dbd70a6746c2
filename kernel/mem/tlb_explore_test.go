//go:build explore

package mem

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// page is a page with one translation, and the CPUs that may have it cached.
type page struct {
	present atom.Uint32 // the page-table entry
	freed   atom.Uint32
	cpus    []*percpu.CPU
	cached  []bool // by CPU: in its TLB; that CPU alone
	ipi     []atom.Uint32
	set     percpu.Mask
	words   [1]uint64
	table   []*percpu.CPU // percpu knows it by its address alone
}

func newPage(n int) *page {
	p := &page{cached: make([]bool, n), ipi: make([]atom.Uint32, n)}
	percpu.Reset()
	p.table = make([]*percpu.CPU, n)
	p.set.Init(uintptr(unsafe.Pointer(&p.words)), uint32(n))
	for i := range n {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.APICID = uint32(i)
		p.cpus = append(p.cpus, c)
		percpu.Register(c)
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&p.table[0])), uint32(n))
		}
		p.set.Set(uint32(i))
	}
	p.present.Store(1)
	apic.Sent = func(dest, _ uint32) { p.ipi[dest].Store(1) }
	return p
}

// access reads the page through the TLB, as hardware does.
func (p *page) access(id int) {
	if !p.cached[id] {
		if p.present.Load() == 0 {
			return // a page fault
		}
		p.cached[id] = true
	}
	if p.freed.Load() != 0 {
		panic("read through a stale translation")
	}
}

func (p *page) flush(c *percpu.CPU) { p.cached[c.ID] = false }

// interrupt takes a message, if there is one.
func (p *page) interrupt(id int) {
	if p.ipi[id].Load() != 0 {
		p.ipi[id].Store(0)
		if ipi.TakeOne(p.cpus[id], ipi.Flush) {
			answer(p.cpus[id], p.flush)
		}
	}
}

// reader accesses the page a few times, and takes interrupts in between.
func (p *page) reader(id int) func() {
	return func() {
		for range 2 {
			p.access(id)
			p.interrupt(id)
		}
		p.cached[id] = false // goes elsewhere: another CR3
		p.set.Clear(uint32(id))
		answer(p.cpus[id], p.flush)
		for p.freed.Load() == 0 { // idle, and still answering
			p.interrupt(id)
			atom.Pause()
		}
	}
}

// unmap takes the page away and frees it when all have flushed, or at once.
func (p *page) unmap(id int, wait bool) func() {
	return func() {
		p.present.Store(0)
		if wait {
			flushOthers(p.cpus[id], &p.set)
		}
		p.freed.Store(1)
	}
}

func TestFlushLeavesNoStaleTranslation(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		p := newPage(2)
		return []func(){p.unmap(0, true), p.reader(1)}, func() error { return nil }
	}})
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control.
func TestNoFlushIsFound(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		p := newPage(2)
		return []func(){p.unmap(0, false), p.reader(1)}, func() error { return nil }
	}})
	require.ErrorContains(t, r.Err, "stale translation")
}

// Negative control: a flush that takes its number after it has flushed answers
// for requests that it came too early for.
func TestLateNumberIsFound(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		p := newPage(2)
		return []func(){p.unmap(0, true), func() {
			p.flush(p.cpus[1])
			p.access(1) // another interrupt's handler looks at user memory here
			p.cpus[1].FlushDone.Store(p.cpus[1].FlushAsked.Load())
			p.access(1)
			for p.freed.Load() == 0 {
				answer(p.cpus[1], p.flush)
				atom.Pause()
			}
		}}, func() error { return nil }
	}})
	require.ErrorContains(t, r.Err, "stale translation")
}

// Two CPUs unmap at once: each waits for the other, and answers meanwhile.
func TestMutualFlushEnds(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		p := newPage(2)
		both := func(id int) func() {
			return func() {
				c := p.cpus[id]
				to := p.cpus[1-id]
				n := ask(to)
				for !answered(to, n) {
					answer(c, p.flush)
					atom.Pause()
				}
				for !answered(c, c.FlushAsked.Load()) {
					answer(c, p.flush)
				}
				for c.FlushAsked.Load() == 0 { // stays until the other has asked
					atom.Pause()
				}
				answer(c, p.flush)
			}
		}
		return []func(){both(0), both(1)}, func() error { return nil }
	}})
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}
