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

// machine is a few CPUs. A message is a word that its target looks at between
// its own steps, as interrupts come between instructions.
type machine struct {
	cpus  []*percpu.CPU
	table []*percpu.CPU
	sets  [][1]uint64
	all   percpu.Mask
	words [1]uint64
	ipi   []atom.Uint32
	done  atom.Uint32 // CPUs whose program has ended
	lose  int         // messages to lose
	last  percpu.Mask // CPU 2 alone
	word2 [1]uint64
}

func newMachine(n int) *machine {
	m := &machine{table: make([]*percpu.CPU, n), sets: make([][1]uint64, n), ipi: make([]atom.Uint32, n)}
	percpu.Reset()
	m.all.Init(uintptr(unsafe.Pointer(&m.words)), uint32(n))
	m.last.Init(uintptr(unsafe.Pointer(&m.word2)), 3)
	m.last.Set(2)
	for i := range n {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.APICID = uint32(i)
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

// interrupt takes a message, if there is one.
func (m *machine) interrupt(c *percpu.CPU) {
	if m.ipi[c.ID].Load() == 1 {
		m.ipi[c.ID].Store(0)
		Poll(c)
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

// All three call all: each call runs once on each CPU, and every caller returns.
func TestAllCallAll(t *testing.T) {
	for _, bound := range []struct{ preemptions, runs int }{{1, 0}, {3, 20_000}} {
		r := explore.Run(explore.Model{Preemptions: bound.preemptions, Setup: func() ([]func(), func() error) {
			m := newMachine(3)
			var cpus []func()
			for i, c := range m.cpus {
				cpus = append(cpus, func() {
					Call(c, &m.all, abi.CallCount, 1<<(8*i), clock.Second)
					m.serveUntilAllDone(c)
				})
			}
			return cpus, m.check(0x010101, 0x010101, 0x010101)
		}, MaxRuns: bound.runs})
		t.Log(r)
		require.NoError(t, r.Err)
		require.Equal(t, bound.runs == 0, r.Complete)
	}
}

// Two calls one after the other of the same CPU, while another calls it too.
func TestTwice(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 1, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		caller := func(c *percpu.CPU, n int, word uint64) func() {
			return func() {
				for range n {
					Call(c, &m.last, abi.CallCount, word, clock.Second)
				}
				m.serveUntilAllDone(c)
			}
		}
		return []func(){caller(m.cpus[0], 2, 1), caller(m.cpus[1], 1, 0x100), func() { m.serveUntilAllDone(m.cpus[2]) }}, m.check(0, 0, 0x102)
	}})
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// The call is taken back while its target takes it: one of them wins, never both.
func TestWithdraw(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 4, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		a, b := m.cpus[0], m.cpus[1]
		var missing uint32
		caller := func() {
			a.OutFunc.Store(uint64(abi.CallCount))
			a.OutWord.Store(1)
			a.OutLeft.Store(1)
			b.Callers.Set(0)
			ipi.Send(a, b, ipi.Call)
			missing = withdraw(a, &m.all)
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
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// A message that is lost is repeated.
func TestLostMessage(t *testing.T) {
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

// Negative control: a target that forgets the message after its look at the set
// loses a caller that came in between.
func TestForgettingLateIsFound(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		serve := func(c *percpu.CPU) {
			if c.Pending.Load() == 0 {
				return
			}
			for id, ok := c.Callers.Next(0); ok; id, ok = c.Callers.Next(id + 1) {
				if c.Callers.Clear(id) {
					from := percpu.Get(id)
					table[from.OutFunc.Load()](c, from.OutWord.Load())
					from.OutLeft.Add(^uint32(0))
				}
			}
			ipi.TakeOne(c, ipi.Call) // too late
		}
		caller := func(c *percpu.CPU) func() {
			return func() {
				c.OutFunc.Store(uint64(abi.CallCount))
				c.OutWord.Store(1)
				c.OutLeft.Store(1)
				m.cpus[2].Callers.Set(c.ID)
				ipi.Send(c, m.cpus[2], ipi.Call)
				for c.OutLeft.Load() != 0 {
					atom.Pause()
				}
				m.done.Add(1)
			}
		}
		return []func(){caller(m.cpus[0]), caller(m.cpus[1]), func() {
			for m.done.Load() != 2 {
				if m.ipi[2].Load() == 1 {
					m.ipi[2].Store(0)
					serve(m.cpus[2])
				}
				atom.Pause()
			}
		}}, m.check(0, 0, 2)
	}})
	require.Error(t, r.Err)
	t.Log(r)
}
