//go:build explore

package mem

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// leaving is a machine whose CPUs run the last threads of a program. Each thread exits,
// and the last one frees the program's space. Some CPUs then run another program.
type leaving struct {
	cpus   []*percpu.CPU
	table  []*percpu.CPU // percpu has its address alone
	ipi    []atom.Uint32
	loaded []atom.Uint64 // by CPU: the top table in CR3
	s, o   *Space
	words  [2]uint64 // the masks of the two spaces
	online percpu.Mask
	word   [1]uint64
	left   atom.Uint32 // threads that still need the space
	over   atom.Uint32 // of what the CPUs answer requests for: the end of the space, and of a flush
	want   uint32      // for over
	spaces
}

// spaces is the code under test.
type spaces struct {
	enter  func(s *Space, c *percpu.CPU)
	exit   func(m *leaving, c *percpu.CPU) (last bool)
	answer func(c *percpu.CPU)
	detach func(s *Space, c *percpu.CPU)
}

var shippingSpaces = spaces{(*Space).Enter, exit, Answer, (*Space).Detach}

// exit is what linux.exitTask does about the space.
func exit(m *leaving, c *percpu.CPU) (last bool) {
	c.BeLazy()
	return m.left.Add(^uint32(0)) == 0
}

const gone = 0xffff // the mask of a space that was freed

// newLeaving makes a machine of n CPUs with threads of the program, and one more CPU.
func newLeaving(n int, under spaces) *leaving {
	all := n + 1
	m := &leaving{ipi: make([]atom.Uint32, all), loaded: make([]atom.Uint64, all), table: make([]*percpu.CPU, all), want: 1, spaces: under}
	percpu.Reset()
	m.s, m.o = &Space{root: 0x1000, user: true}, &Space{root: 0x2000, user: true}
	for i, s := range []*Space{m.s, m.o} {
		s.own.Init(uintptr(unsafe.Pointer(&m.words[i])), uint32(all))
		s.cpus = &s.own
	}
	m.online.Init(uintptr(unsafe.Pointer(&m.word)), uint32(all))
	for i := range all {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.APICID = uint32(i)
		m.cpus = append(m.cpus, c)
		percpu.Register(c)
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&m.table[0])), uint32(all))
		}
		if i == n {
			break
		}
		m.online.Set(uint32(i))
		c.Space = uintptr(unsafe.Pointer(m.s))
		m.loaded[i].Store(uint64(m.s.root))
		m.s.cpus.Set(uint32(i))
	}
	m.left.Store(uint32(n))
	loadRoot = func(c *percpu.CPU, root PhysAddr) { m.loaded[c.ID].Store(uint64(root)) }
	reload = func(*percpu.CPU) {}
	invalidate = func(*percpu.CPU, uintptr) {}
	apic.Sent = func(dest, _ uint32) { m.ipi[dest].Store(1) }
	upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, msg string, _, _ uint64) { panic(msg) }
	return m
}

// run is one CPU: its thread exits, and then it is idle or runs another program.
func (m *leaving) run(c *percpu.CPU) {
	if m.exit(m, c) {
		m.detach(m.s, c)
		for i := range m.loaded {
			if m.loaded[i].Load() == uint64(m.s.root) {
				panic("a space is freed while a CPU has it loaded")
			}
		}
		m.words[0] = gone
		m.over.Add(1)
	}
	if c.ID != 0 {
		m.enter(m.o, c)
	}
	for m.over.Load() != m.want {
		if m.ipi[c.ID].Load() != 0 {
			m.ipi[c.ID].Store(0)
			if ipi.TakeOne(c, ipi.Flush) {
				m.answer(c)
			}
		}
		atom.Pause()
	}
}

// shoot is one CPU more, which makes all others flush for the kernel's own sake.
func (m *leaving) shoot() {
	flushOthers(m.cpus[len(m.cpus)-1], &m.online, everything, lazyToo)
	m.over.Add(1)
}

// leave searches CPUs that leave a space, while another CPU makes them flush if shot is
// true.
func leave(cpus, preemptions int, shot bool, under spaces) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newLeaving(cpus, under)
		var programs []func()
		for _, c := range m.cpus[:cpus] {
			programs = append(programs, func() { m.run(c) })
		}
		if shot {
			m.want = 2
			programs = append(programs, m.shoot)
		}
		return programs, func() error {
			if m.words[0] != gone {
				panic("a space is used after it was freed")
			}
			return nil
		}
	}})
}

func TestSpaceIsLeftBeforeItIsFreed(t *testing.T) {
	t.Cleanup(func() { upcall.To.Panic = nil })
	for _, m := range []struct {
		cpus, preemptions int
		shot              bool
	}{{2, explore.Unbounded, false}, {3, explore.Bound(2, 3), false}, {2, explore.Bound(2, 3), true}} {
		r := leave(m.cpus, m.preemptions, m.shot, shippingSpaces)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU leaves the mask before it has the other table loaded.
func TestEarlyClearIsFound(t *testing.T) {
	t.Cleanup(func() { upcall.To.Panic = nil })
	under := shippingSpaces
	under.enter = func(s *Space, c *percpu.CPU) {
		c.Lazy.Store(0)
		s.cpus.Set(c.ID)
		if old := (*Space)(unsafe.Pointer(c.Space)); old != nil {
			old.cpus.Clear(c.ID)
		}
		loadRoot(c, s.root)
		c.Space = uintptr(unsafe.Pointer(s))
	}
	for _, shot := range []bool{false, true} {
		r := leave(2, 2, shot, under)
		require.ErrorContains(t, r.Err, "a space is freed while a CPU has it loaded")
		t.Log(r)
	}
}

// Negative control: a CPU that answers a request, and then flushes, uses the mask of a
// space that is free.
func TestEarlyAnswerIsFound(t *testing.T) {
	t.Cleanup(func() { upcall.To.Panic = nil })
	under := shippingSpaces
	under.answer = func(c *percpu.CPU) {
		requests := c.FlushRequests.Load()
		if c.FlushDone.Load() == requests {
			return
		}
		c.FlushDone.Store(requests)
		flushPosted(c)
	}
	for _, shot := range []bool{false, true} {
		r := leave(2, 2, shot, under)
		require.Error(t, r.Err)
		require.Regexp(t, "used after it was freed|freed while", r.Err.Error())
		t.Log(r)
	}
}

// Negative control: a thread counts as gone, and its CPU keeps the space loaded when it
// answers a request.
func TestNoLazyIsFound(t *testing.T) {
	t.Cleanup(func() { upcall.To.Panic = nil })
	under := shippingSpaces
	under.exit = func(m *leaving, _ *percpu.CPU) bool { return m.left.Add(^uint32(0)) == 0 }
	for _, shot := range []bool{false, true} {
		r := leave(2, 2, shot, under)
		require.ErrorContains(t, r.Err, "address space freed while in use")
		t.Log(r)
	}
}

// Negative control: a CPU requests flushes, and then sends IPIs to those that have not left
// the space meanwhile. A request without an IPI keeps the CPU that flushes all.
func TestRequestWithoutIPIIsFound(t *testing.T) {
	t.Cleanup(func() { upcall.To.Panic = nil })
	under := shippingSpaces
	under.detach = func(s *Space, c *percpu.CPU) {
		LeaveUser(c)
		for id, ok := s.cpus.Next(0); ok; id, ok = s.cpus.Next(id + 1) {
			if to := percpu.Get(id); to != c {
				request(to)
			}
		}
		ipi.SendSet(c, s.cpus, ipi.Flush)
		for id, ok := s.cpus.Next(0); ok; id, ok = s.cpus.Next(id + 1) {
			if to := percpu.Get(id); to != c {
				await(c, to, to.FlushRequests.Load(), s.cpus)
			}
		}
	}
	r := leave(2, 2, true, under)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// enters searches a CPU that enters a space whose page another CPU takes away.
func enters(preemptions int, enter func(*Space, *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		p := newPage(2, shipping)
		s := &Space{root: 0x1000, user: true}
		p.set.Clear(1)
		s.cpus = &p.set
		p.cpus[0].Space = uintptr(unsafe.Pointer(s))
		loadRoot = func(c *percpu.CPU, root PhysAddr) {
			p.cached[c.ID] = false
			if root == s.root {
				p.walk(c) // hardware may, at once
			}
		}
		return []func(){
			func() {
				p.present.Store(0)
				p.flushOthers(p.cpus[0], s.cpus)
				p.freed.Store(1)
				p.done.Add(1)
			},
			func() {
				c := p.cpus[1]
				enter(s, c)
				p.access(c)
				for p.done.Load() == 0 {
					p.interrupt(c)
					p.access(c)
					atom.Pause()
				}
				p.access(c)
			},
		}, func() error { return nil }
	}})
}

// A CPU that enters a space has no translation that another CPU has taken away.
func TestEnterAgainstFlush(t *testing.T) {
	r := enters(explore.Unbounded, (*Space).Enter)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU has the tables loaded, and then is in the space's mask.
func TestLateMaskIsFound(t *testing.T) {
	r := enters(explore.Unbounded, func(s *Space, c *percpu.CPU) {
		loadRoot(c, s.root)
		s.cpus.Set(c.ID)
		c.Space = uintptr(unsafe.Pointer(s))
	})
	require.ErrorContains(t, r.Err, "stale translation")
	t.Log(r)
}
