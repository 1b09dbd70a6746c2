//go:build explore

package cross

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// machine is a few CPUs. An IPI is a word that its target reads between its own
// steps, as interrupts come between instructions.
type machine struct {
	cpus  []*percpu.CPU
	table []*percpu.CPU
	sets  [][1]uint64
	all   percpu.Mask
	words [1]uint64
	ipi   []atom.Uint32
	done  atom.Uint32 // CPUs whose program has ended
	lose  int         // IPIs to lose
	last  percpu.Mask // CPU 2 alone
	word2 [1]uint64
	poll  func(*percpu.CPU) // what an interrupt does: Poll, or a faulty version
}

func newMachine(n int) *machine {
	m := &machine{table: make([]*percpu.CPU, n), sets: make([][1]uint64, n), ipi: make([]atom.Uint32, n), poll: Poll}
	percpu.Reset()
	m.all.Init(uintptr(unsafe.Pointer(&m.words)), uint32(n))
	m.last.Init(uintptr(unsafe.Pointer(&m.word2)), 3)
	m.last.Set(2)
	for i := range n {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.APICID = uint32(i)
		c.State.Store(percpu.Online)
		c.Callers.Init(uintptr(unsafe.Pointer(&m.sets[i])), uint32(n))
		m.cpus = append(m.cpus, c)
		percpu.Register(c)
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&m.table[0])), uint32(n))
		}
		m.all.Set(uint32(i))
	}
	upcall.To.SpinPoll = func(*percpu.CPU) {}
	Handle(abi.CallNop, func(*percpu.CPU, uint64) {})
	Handle(abi.CallCount, func(c *percpu.CPU, word uint64) { c.Called.Add(word) })
	apic.Sent = func(dest, _ uint32) {
		if m.lose > 0 {
			m.lose--
			return
		}
		m.ipi[dest].Store(1)
	}
	return m
}

// interrupt handles an IPI, if there is one.
func (m *machine) interrupt(c *percpu.CPU) {
	if m.ipi[c.ID].Load() == 1 {
		m.ipi[c.ID].Store(0)
		m.poll(c)
	}
}

// serveUntilAllDone is a CPU that takes interrupts and has nothing else to do.
func (m *machine) serveUntilAllDone(c *percpu.CPU) {
	m.done.Add(1)
	for m.done.Load() != uint32(len(m.cpus)) {
		m.interrupt(c)
		atom.Pause()
	}
	m.interrupt(c)
}

func (m *machine) check(want ...uint64) func() error {
	return func() error {
		for i, c := range m.cpus {
			if got := c.Called.Load(); got != want[i] {
				return fmt.Errorf("cpu %d counted %d, want %d", i, got, want[i])
			}
			if c.OutLeft.Load() != 0 {
				return fmt.Errorf("cpu %d: a call is left", i)
			}
			if id, ok := c.Callers.Next(0); ok {
				return fmt.Errorf("cpu %d: the call of cpu %d is left", i, id)
			}
		}
		return nil
	}
}

// code is the code under test: a CPU's call, and what its interrupt does.
type code struct {
	call func(c *percpu.CPU, set *percpu.Mask)
	poll func(c *percpu.CPU)
}

var shipping = code{func(c *percpu.CPU, set *percpu.Mask) {
	Call(c, set, abi.CallCount, 1<<(8*c.ID), clock.Second)
}, Poll}

// search explores a machine of three CPUs on which each makes some calls, of all or of
// CPU 2 alone. A call of CPU i adds 1<<8i to its targets' counters.
func search(preemptions int, calls [3]int, all bool, under code) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		m.poll = under.poll
		set, want := &m.last, []uint64{0, 0, 0}
		if all {
			set = &m.all
		}
		var cpus []func()
		for i, c := range m.cpus {
			cpus = append(cpus, func() {
				for n := range calls[i] {
					under.call(c, set)
					m.ran(set, i, n+1)
				}
				m.serveUntilAllDone(c)
			})
			for to := range want {
				if all || to == 2 {
					want[to] += uint64(calls[i]) << (8 * i)
				}
			}
		}
		return cpus, m.check(want...)
	}})
}

// ran panics unless n calls of a CPU have run on all of a set: a call that has returned
// has.
func (m *machine) ran(set *percpu.Mask, caller, n int) {
	for id, c := range m.cpus {
		if set.Has(uint32(id)) && int(c.Called.Load()>>(8*caller)&0xff) != n {
			panic(fmt.Sprintf("call %d of cpu %d has returned and not run on cpu %d", n, caller, id))
		}
	}
}

func passes(t *testing.T, r explore.Result) {
	t.Helper()
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Each of three CPUs calls all: each call runs once on each CPU, and every caller
// returns.
func TestAllCallAll(t *testing.T) {
	passes(t, search(explore.Bound(1, 2), [3]int{1, 1, 1}, true, shipping))
}

// Negative control: a caller that waits without an answer to others' calls.
func TestDeafCallerIsFound(t *testing.T) {
	deaf := shipping
	deaf.call = func(c *percpu.CPU, set *percpu.Mask) {
		c.OutFunc.Store(uint64(abi.CallCount))
		c.OutWord.Store(1 << (8 * c.ID))
		c.OutLeft.Store(1)
		for id := range uint32(3) {
			if id != c.ID {
				c.OutLeft.Add(1)
				percpu.Get(id).Callers.Set(c.ID)
			}
		}
		ipi.SendSet(c, set, ipi.Call)
		c.Called.Add(1 << (8 * c.ID))
		c.OutLeft.Add(^uint32(0))
		for c.OutLeft.Load() != 0 {
			atom.Pause()
		}
	}
	r := search(explore.Bound(1, 2), [3]int{1, 1, 1}, true, deaf)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// toOne is the bound of the searches whose calls go to one CPU, of the control too.
var toOne = explore.Bound(2, 3)

// Two CPUs call the third: at once, and one of them twice in a row.
func TestTwoCallOne(t *testing.T) {
	passes(t, search(toOne, [3]int{1, 1, 0}, false, shipping))
	passes(t, search(toOne, [3]int{2, 1, 0}, false, shipping))
}

// forgetLate is Poll of a target that takes the call out of its pending word after its
// look at the set.
func forgetLate(c *percpu.CPU) {
	if c.Pending.Load()>>ipi.Call&1 != 0 {
		serve(c)
		ipi.TakeOne(c, ipi.Call)
	}
}

// Negative control: that target loses a caller that enters itself in between.
func TestForgettingLateIsFound(t *testing.T) {
	r := search(toOne, [3]int{1, 1, 0}, false, code{shipping.call, forgetLate})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// withdraws searches a call that is withdrawn while its target takes it.
func withdraws(take func(*percpu.CPU, *percpu.Mask) uint32) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		a, b := m.cpus[0], m.cpus[1]
		var missing uint32
		caller := func() {
			a.OutFunc.Store(uint64(abi.CallCount))
			a.OutWord.Store(1)
			a.OutLeft.Store(1)
			b.Callers.Set(0)
			ipi.Send(a, b, ipi.Call)
			missing = take(a, &m.all)
			for a.OutLeft.Load() != 0 {
				atom.Pause()
			}
			m.done.Add(1)
		}
		return []func(){caller, func() { m.serveUntilAllDone(b) }}, func() error {
			if ran := b.Called.Load(); (ran == 1) == (missing == 1) || ran > 1 {
				return fmt.Errorf("ran %d times, missing %d", ran, missing)
			}
			return m.check(0, b.Called.Load())()
		}
	}})
}

// One of the two succeeds, never both.
func TestWithdraw(t *testing.T) { passes(t, withdraws(withdraw)) }

// Negative control: a caller that reads whether the target has begun, and withdraws
// the call after that.
func TestLookThenWithdrawIsFound(t *testing.T) {
	r := withdraws(func(c *percpu.CPU, set *percpu.Mask) (missing uint32) {
		missing = Silent
		for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
			if to := percpu.Get(id); to != c && to.Callers.Has(c.ID) {
				to.Callers.Clear(c.ID)
				c.OutLeft.Add(^uint32(0))
				missing = id
			}
		}
		return missing
	})
	require.Error(t, r.Err)
	t.Log(r)
}

// A lost IPI is repeated.
func TestLostIPI(t *testing.T) {
	m := newMachine(2)
	m.lose = 1
	a, b := m.cpus[0], m.cpus[1]
	a.OutFunc.Store(uint64(abi.CallCount))
	a.OutWord.Store(5)
	a.OutLeft.Store(1)
	b.Callers.Set(0)
	ipi.Send(a, b, ipi.Call)
	m.interrupt(b)
	require.Zero(t, b.Called.Load())
	repeat(a, &m.all)
	m.interrupt(b)
	m.interrupt(b)
	require.Equal(t, uint64(5), b.Called.Load())
	require.Zero(t, a.OutLeft.Load())
}
