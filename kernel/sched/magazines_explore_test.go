//go:build explore

package sched

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// depot is CPUs that make threads and end them, with as many stacks as there are. Memory for others is exhausted.
type depot struct {
	*machine
	code   stackCode
	low    []uintptr
	used   []atom.Uint32 // by stack: a thread has it
	sent   []atom.Uint32 // by CPU: 1 is an interrupt that makes it give back, as the IPI of mem.Recall; then 2; 3 at the end
	scarce atom.Uint32
}

// stackCode is the code under test.
type stackCode struct {
	free   func(c *percpu.CPU, low uintptr)
	give   func(c *percpu.CPU)                           // in an interrupt that another CPU sends
	recall func(m *depot, c *percpu.CPU, of *percpu.CPU) // makes a CPU give back
	leave  func(c *percpu.CPU)                           // the end of the way offline
}

var stacksShipped = stackCode{FreeStack, shareStacks, recallByInterrupt, shareStacks}

func recallByInterrupt(m *depot, c, of *percpu.CPU) {
	if hasStacks(of.ID) {
		m.sent[of.ID].Store(1)
		for m.sent[of.ID].Load() == 1 {
			atom.Pause()
		}
	}
}

func newDepot(code stackCode, n int) *depot {
	m := &depot{machine: newMachine(3), code: code, used: make([]atom.Uint32, n), sent: make([]atom.Uint32, 3)}
	hostStacks()
	mayKeep = func() bool { return m.scarce.Load() == 0 }
	makeStack = func(*percpu.CPU) (uintptr, bool) { return 0, false }
	for i := range n {
		m.low = append(m.low, uintptr(unsafe.Pointer(&stackMemory[i])))
		stacks.free.Push(linkOf(m.low[i]))
		stacks.kept++
	}
	return m
}

// stack returns the word of a stack.
func (m *depot) stack(low uintptr) *atom.Uint32 {
	for i := range m.low {
		if m.low[i] == low {
			return &m.used[i]
		}
	}
	panic("no such stack")
}

// get makes a thread, if there is a stack.
func (m *depot) get(c *percpu.CPU) (low uintptr, ok bool) {
	low, _, ok = AllocStack(c)
	if ok && m.stack(low).Swap(1) != 0 {
		panic("a stack was given out twice")
	}
	return low, ok
}

// put ends a thread.
func (m *depot) put(c *percpu.CPU, low uintptr) {
	m.stack(low).Store(0)
	m.code.free(c, low)
}

// window takes the interrupt that makes a CPU give back, if there is one.
func (m *depot) window(c *percpu.CPU) {
	if m.sent[c.ID].Load() == 1 {
		m.code.give(c)
		m.sent[c.ID].Store(2)
	}
}

// work makes some threads, and ends them.
func (m *depot) work(c *percpu.CPU, threads int) {
	var have []uintptr
	for range threads {
		if low, ok := m.get(c); ok {
			have = append(have, low)
		}
		m.window(c)
	}
	for _, low := range have {
		m.put(c, low)
		m.window(c)
	}
}

// count fails unless each stack is free, once. Those of CPU gone are lost.
func (m *depot) count(gone uint32) error {
	seen := map[uintptr]bool{}
	for k := stacks.free.Top(); k != nil; k = k.Below() {
		seen[stackOf(k)] = true
	}
	if len(seen) != stacks.kept {
		return fmt.Errorf("%d stacks of all CPUs, %d counted", len(seen), stacks.kept)
	}
	for id := range uint32(3) {
		if id == gone {
			continue
		}
		n := len(seen)
		for k := ownOf(id).free.Top(); k != nil; k = k.Below() {
			seen[stackOf(k)] = true
		}
		if uint32(len(seen)-n) != ownOf(id).n.Load() {
			return fmt.Errorf("CPU %d has %d stacks, %d counted", id, len(seen)-n, ownOf(id).n.Load())
		}
	}
	if len(seen) != len(m.low) {
		return fmt.Errorf("%d stacks are free, of %d", len(seen), len(m.low))
	}
	return nil
}

// awaitWord waits until a word is not 0.
func awaitWord(x *atom.Uint32) {
	for x.Load() == 0 {
		atom.Pause()
	}
}

// shares searches three CPUs. CPU 2 makes a thread, ends it and goes offline. CPU 1 makes threads and ends them, and takes
// interrupts then, as an idle CPU does. CPU 0 does so too; then memory is scarce, and it recalls those of CPU 1
// until it has all.
func shares(preemptions int, code stackCode) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newDepot(code, 4)
		var gone, ended atom.Uint32
		return []func(){
			func() {
				c := m.cpus[0]
				m.work(c, 1)
				m.scarce.Store(1)
				for have, last := 0, false; have < len(m.low); {
					if _, ok := m.get(c); ok {
						have++
						continue
					}
					m.code.recall(m, c, m.cpus[1])
					if low, ok := m.get(c); ok {
						m.put(c, low)
					} else if last {
						panic("a stack is free, and is not to be had")
					} else {
						awaitWord(&gone)
						awaitWord(&ended)
						last = true
					}
				}
				for i := range m.low {
					m.put(c, m.low[i])
				}
				m.sent[1].Store(3)
			},
			func() {
				c := m.cpus[1]
				m.work(c, 2)
				for ended.Store(1); m.sent[1].Load() != 3; {
					m.window(c)
					atom.Pause()
				}
			},
			func() {
				c := m.cpus[2]
				m.work(c, 1)
				m.code.leave(c)
				gone.Store(1)
			},
		}, func() error { return m.count(2) }
	}})
}

// Each stack is given out once at a time, also while CPUs give theirs back; a CPU that goes offline leaves none in its list; and while
// memory is scarce, a CPU gets all that are free.
func TestStacksOfCPUs(t *testing.T) {
	restoreStacks(t)
	r := shares(explore.Bound(1, 2), stacksShipped)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: in each, one part of the code is wrong.
func TestWrongStacksOfCPUsAreFound(t *testing.T) {
	restoreStacks(t)
	for name, wrong := range map[string]struct {
		change func(*stackCode)
		want   string
	}{
		"a CPU that goes offline with its stacks": {func(s *stackCode) { s.leave = func(*percpu.CPU) {} }, "not to be had"},
		"a CPU that takes another's stacks": {func(s *stackCode) {
			s.recall = func(_ *depot, _, of *percpu.CPU) { shareStacks(of) }
		}, "nil pointer"},
		"a CPU that gives nothing": {func(s *stackCode) { s.give = func(*percpu.CPU) {} }, "not to be had"},
		"a CPU that keeps what it gives": {func(s *stackCode) {
			s.give = func(c *percpu.CPU) {
				own := *ownOf(c.ID)
				shareStacks(c)
				ownOf(c.ID).free, ownOf(c.ID).n = own.free, own.n
			}
		}, "counted"},
	} {
		t.Run(name, func(t *testing.T) {
			code := stacksShipped
			wrong.change(&code)
			r := shares(explore.Bound(1, 2), code)
			require.ErrorContains(t, r.Err, wrong.want)
			t.Log(r)
		})
	}
}

func restoreStacks(t *testing.T) {
	keep, made := mayKeep, makeStack
	t.Cleanup(func() { mayKeep, makeStack = keep, made })
}
