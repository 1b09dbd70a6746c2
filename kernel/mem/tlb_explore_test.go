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
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/trace"
)

// page is a page with one translation, and the CPUs that may have it cached.
type page struct {
	present atom.Uint32 // the page-table entry
	freed   atom.Uint32
	done    atom.Uint32 // CPUs that make no more requests
	cpus    []*percpu.CPU
	cached  []bool // by CPU: in its TLB; that CPU alone
	ipi     []atom.Uint32
	set     percpu.Mask
	words   [1]uint64
	reader  percpu.Mask // the CPU that reads, alone
	word2   [1]uint64
	table   []*percpu.CPU // percpu has its address alone
	code
}

// code is the code under test.
type code struct {
	flushOthers func(c *percpu.CPU, set *percpu.Mask)
	answer      func(c *percpu.CPU)
}

// shipping drops the whole TLB, and single that one page alone.
var (
	shipping = code{func(c *percpu.CPU, set *percpu.Mask) { flushOthers(c, set, everything, lazyToo) }, Answer}
	single   = code{func(c *percpu.CPU, set *percpu.Mask) { flushOthers(c, set, pageOf(c), lazyToo) }, Answer}
)

// pageOf is the page that a CPU unmaps: CPU 0 the one of the model.
func pageOf(c *percpu.CPU) pages {
	va := pageAddr + uintptr(c.ID)*layout.PageSize
	return pagesOf(va, va+layout.PageSize)
}

const pageAddr = 0x7f0000001000

// newPage makes a machine of n CPUs. CPU 1 reads.
func newPage(n int, under code) *page {
	p := &page{cached: make([]bool, n), ipi: make([]atom.Uint32, n), code: under}
	percpu.Reset()
	p.table = make([]*percpu.CPU, n)
	p.set.Init(uintptr(unsafe.Pointer(&p.words)), uint32(n))
	p.reader.Init(uintptr(unsafe.Pointer(&p.word2)), uint32(n))
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
	p.reader.Set(1)
	p.present.Store(1)
	reload = p.flush
	invalidate = func(c *percpu.CPU, va uintptr) {
		if va == pageAddr {
			p.flush(c)
		}
	}
	apic.Sent = func(dest, _ uint32) { p.ipi[dest].Store(1) }
	return p
}

// walk brings the translation into a TLB, if there is one. Hardware may do so at any
// time, whether a program reads the page or not.
func (p *page) walk(c *percpu.CPU) {
	if !p.cached[c.ID] && p.present.Load() != 0 {
		p.cached[c.ID] = true
	}
}

// access reads the page through the TLB.
func (p *page) access(c *percpu.CPU) {
	p.walk(c)
	if p.cached[c.ID] && p.freed.Load() != 0 {
		panic("read through a stale translation")
	}
}

// flush empties a TLB. The hardware may fill it again at once.
func (p *page) flush(c *percpu.CPU) {
	p.cached[c.ID] = false
	if c.ID == 1 {
		p.walk(c)
	}
}

// interrupt handles an IPI, if there is one.
func (p *page) interrupt(c *percpu.CPU) {
	if p.ipi[c.ID].Load() != 0 {
		p.ipi[c.ID].Store(0)
		if ipi.TakeOne(c, ipi.Flush) {
			p.answer(c)
		}
	}
}

// read accesses the page, and takes interrupts in between, while others make
// requests.
func (p *page) read() {
	c := p.cpus[1]
	for p.done.Load() != uint32(len(p.cpus)-1) {
		p.access(c)
		p.interrupt(c)
		atom.Pause()
	}
	p.access(c)
}

// unmap takes the page away and frees it when all have flushed.
func (p *page) unmap() {
	p.present.Store(0)
	p.flushOthers(p.cpus[0], &p.reader)
	p.freed.Store(1)
	p.done.Add(1)
}

// unmaps searches a page that CPU 0 unmaps while CPU 1 reads it and other CPUs, if
// there are any, make CPU 1 flush for pages of their own.
func unmaps(cpus, preemptions int, under code) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		p := newPage(cpus, under)
		programs := []func(){p.unmap, p.read}
		for _, c := range p.cpus[2:] {
			programs = append(programs, func() {
				p.flushOthers(c, &p.reader)
				p.done.Add(1)
			})
		}
		return programs, func() error { return nil }
	}})
}

func TestFlushLeavesNoStaleTranslation(t *testing.T) {
	for _, m := range []struct {
		cpus, preemptions int
		code
	}{{2, explore.Unbounded, shipping}, {3, explore.Bound(2, 3), shipping}, {2, explore.Unbounded, single}, {3, explore.Bound(2, 3), single}} {
		r := unmaps(m.cpus, m.preemptions, m.code)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU makes its request, and then says what it is about.
func TestLatePostIsFound(t *testing.T) {
	under := single
	under.flushOthers = func(c *percpu.CPU, set *percpu.Mask) {
		ipi.RequestSet(c, set, ipi.Flush, func(to *percpu.CPU) bool {
			request(to)
			post(to, pageOf(c))
			return true
		})
		for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
			if to := percpu.Get(id); to != c {
				await(c, to, to.FlushRequests.Load(), set)
			}
		}
	}
	r := unmaps(3, explore.Bound(2, 3), under)
	require.ErrorContains(t, r.Err, "stale translation")
	t.Log(r)
}

// Negative control: a page is freed without a flush.
func TestNoFlushIsFound(t *testing.T) {
	under := shipping
	under.flushOthers = func(*percpu.CPU, *percpu.Mask) {}
	r := unmaps(2, explore.Unbounded, under)
	require.ErrorContains(t, r.Err, "stale translation")
}

// Negative control: a flush that loads the number of requests after it has emptied
// the TLB answers requests that came after that.
func TestLateNumberIsFound(t *testing.T) {
	under := shipping
	under.answer = func(c *percpu.CPU) {
		if c.FlushDone.Load() == c.FlushRequests.Load() {
			return
		}
		flushPosted(c)
		requests := c.FlushRequests.Load()
		c.FlushDone.Store(requests)
		trace.Add(c, trace.Flush, requests, 0)
	}
	r := unmaps(3, explore.Bound(2, 3), under)
	require.ErrorContains(t, r.Err, "stale translation")
	t.Log(r)
}

// mutual searches CPUs that unmap at the same time, each for all.
func mutual(cpus, preemptions int, under code) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		p := newPage(cpus, under)
		var programs []func()
		for _, c := range p.cpus {
			programs = append(programs, func() {
				p.flushOthers(c, &p.set)
				p.done.Add(1)
				for p.done.Load() != uint32(cpus) { // continues, and takes interrupts
					p.interrupt(c)
					atom.Pause()
				}
			})
		}
		return programs, func() error { return nil }
	}})
}

// Each CPU waits for the others, and answers meanwhile.
func TestMutualFlushEnds(t *testing.T) {
	for _, m := range []struct{ cpus, preemptions int }{{2, explore.Unbounded}, {3, explore.Bound(1, 2)}} {
		r := mutual(m.cpus, m.preemptions, shipping)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU that waits for the others' flushes does not answer.
func TestDeafFlushIsFound(t *testing.T) {
	under := shipping
	under.flushOthers = func(c *percpu.CPU, set *percpu.Mask) {
		for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
			if to := percpu.Get(id); to != c {
				n := request(to)
				ipi.Send(c, to, ipi.Flush)
				for !answered(to, n) {
					atom.Pause()
				}
			}
		}
	}
	for _, cpus := range []int{2, 3} {
		r := mutual(cpus, 1, under)
		require.ErrorContains(t, r.Err, "waits forever")
		t.Log(r)
	}
}
