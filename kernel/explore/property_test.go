//go:build explore

package explore

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
)

// The reduction against a search without it, on random programs: both must come to
// the same ends, final states and deadlocks alike.

// instruction is one line of a random program: an operation on a word, whose result is
// folded into the CPU's accumulator.
type instruction struct {
	op      int
	word    int
	a, b    uint32
	usesAcc bool // a is what the accumulator says
	skips   bool // skipped if the accumulator is odd
}

// Operations.
const (
	load = iota
	store
	swap
	cas
	add
	spin   // until the word is a
	locked // change plain memory under a lock made of word 0 and a CompareAndSwap
	operations
)

var opNames = [operations]string{"load", "store", "swap", "cas", "add", "spin", "locked"}

func (i instruction) String() string {
	return fmt.Sprintf("%s w%d %d %d acc=%v skips=%v", opNames[i.op], i.word, i.a, i.b, i.usesAcc, i.skips)
}

// lockWord is the word that locked uses, and no other operation.
const lockWord = 0

// generate makes a program for a CPU. It has at most one spin, because most
// programs with two would deadlock.
func generate(r *rand.Rand, words, length int) (program []instruction) {
	spins := 0
	for range length {
		i := instruction{op: r.IntN(operations), word: 1 + r.IntN(words), a: uint32(r.IntN(3)), b: uint32(r.IntN(3)),
			usesAcc: r.IntN(3) == 0, skips: r.IntN(4) == 0}
		if i.op == spin {
			if spins++; spins > 1 {
				i.op = store
			}
		}
		program = append(program, i)
	}
	return program
}

// machine runs the programs.
type machine struct {
	words []atom.Uint32
	plain uint32 // guarded by the lock
	accs  []uint32
	until bool // waits use Until, not loops
}

func (m *machine) run(id int, program []instruction) {
	acc := uint32(id)
	for _, i := range program {
		if i.skips && acc%2 == 1 {
			continue
		}
		acc = (acc*5 + m.execute(i, acc)) % 64
	}
	m.accs[id] = acc
}

func (m *machine) execute(i instruction, acc uint32) uint32 {
	w, v := &m.words[i.word], i.a
	if i.usesAcc {
		v = acc % 3
	}
	switch i.op {
	case load:
		return w.Load()
	case store:
		w.Store(v)
	case swap:
		return w.Swap(v)
	case cas:
		if w.CompareAndSwap(v, i.b) {
			return 1
		}
	case add:
		return w.Add(v)
	case spin:
		m.wait(func() bool { return w.Load() == i.a })
	case locked:
		for !m.words[lockWord].CompareAndSwap(0, 1) {
			atom.Pause()
		}
		m.plain = m.plain*3 + v
		seen := m.plain
		m.words[lockWord].Store(0)
		return seen
	}
	return 0
}

func (m *machine) wait(cond func() bool) {
	if m.until {
		Until(cond)
		return
	}
	for !cond() {
		atom.Pause()
	}
}

// affordable is the largest number of runs of a search without the reduction.
const affordable = 5000

// ends searches programs and returns the ends of their runs, nil if there are too
// many runs.
func ends(programs [][]instruction, words int, until bool, m Model) map[string]bool {
	found := map[string]bool{}
	m.MaxRuns = affordable
	var mach *machine
	m.Setup = func() ([]func(), func() error) {
		mach = &machine{words: make([]atom.Uint32, words+1), accs: make([]uint32, len(programs)), until: until}
		var cpus []func()
		for id, program := range programs {
			cpus = append(cpus, func() { mach.run(id, program) })
		}
		return cpus, func() error { return nil }
	}
	m.goOn = func(err error) bool {
		if errors.Is(err, errHidden) {
			return true // for a wrong reduction, which the comparison must find by the ends
		}
		end := fmt.Sprint(mach.words, mach.plain, mach.accs)
		if err != nil {
			end, _, _ = strings.Cut(err.Error(), " after")
			end += fmt.Sprint(mach.words, mach.plain)
		}
		found[end] = true
		return true
	}
	if r := Run(m); !r.Complete {
		return nil
	}
	return found
}

// compare runs many programs through the search without the reduction and through
// reduced, and returns the first that ends differently. compared counts the searches.
func compare(reduced Model, seeds uint64) (compared int, err error) {
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 8))
		cpus, words := 2+int(seed%2), 1+r.IntN(2)
		var programs [][]instruction
		for range cpus {
			programs = append(programs, generate(r, words, 1+r.IntN(10/cpus)))
		}
		for _, bound := range []int{0, 1, 2, Unbounded} {
			want := ends(programs, words, false, Model{Preemptions: bound, Plain: true})
			if want == nil {
				break
			}
			reduced.Preemptions = bound
			compared++
			if got := ends(programs, words, false, reduced); !maps.Equal(want, got) {
				return compared, fmt.Errorf("seed %d, %d preemptions, programs %v:\nwithout reduction %v\nwith it           %v", seed, bound, programs,
					slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
			}
			if bound != Unbounded {
				continue
			}
			// A loop that spins, and a CPU that waits for the same.
			if got := ends(programs, words, true, reduced); !maps.Equal(want, got) {
				return compared, fmt.Errorf("seed %d, programs %v:\nwith spin loops %v\nwith Until      %v", seed, programs,
					slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
			}
		}
	}
	return compared, nil
}

const seeds = 200

func TestReductionLosesNothing(t *testing.T) {
	compared, err := compare(Model{}, seeds)
	require.NoError(t, err)
	require.Greater(t, compared, seeds)
	t.Logf("%d programs of 2 and 3 CPUs, %d searches compared", seeds, compared)
}

// Negative control: a search that treats two writes to one word as independent, so
// that their order is not part of the state.
func TestWrongDependencyIsFound(t *testing.T) {
	independent := func(*run) uint64 { return 0 }
	_, err := compare(Model{memory: independent}, seeds)
	require.ErrorContains(t, err, "without reduction")
	t.Log(err)
}

// shared is a model whose CPUs share a plain word without a Var.
func shared(add func(plain, tracked *int, v *Var), get func(plain *int, v *Var) int) Model {
	return Model{Preemptions: Unbounded, Plain: true, Setup: func() ([]func(), func() error) {
		var plain int
		var v Var
		var a, b, c atom.Uint32
		cpu := func(mine *atom.Uint32, n int) func() {
			return func() {
				mine.Store(1)
				add(&plain, &n, &v)
				mine.Load()
				if get(&plain, &v) == 12 {
					c.Load()
				}
			}
		}
		return []func(){cpu(&a, 1), cpu(&b, 10), func() { c.Load() }}, func() error { return nil }
	}}
}

// Memory that CPUs share beside atom words must be a Var. A plain search continues
// at a known state, and so sees whether the same follows.
func TestVarIsSeen(t *testing.T) {
	r := Run(shared(func(_, n *int, v *Var) { v.Set(v.Get()*2 + *n) }, func(_ *int, v *Var) int { return v.Get() }))
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: the same with a plain variable.
func TestHiddenStateIsFound(t *testing.T) {
	r := Run(shared(func(p, n *int, _ *Var) { *p = *p*2 + *n }, func(p *int, _ *Var) int { return *p }))
	require.ErrorIs(t, r.Err, errHidden)
}

// A model whose second run differs from the first is refused.
func TestChangingModelIsFound(t *testing.T) {
	runs := 0
	r := Run(Model{Preemptions: Unbounded, Setup: func() ([]func(), func() error) {
		runs++
		var a atom.Uint32
		cpu := func() {
			if runs%2 == 0 {
				a.Load()
			}
			a.Store(1)
			a.Store(2)
		}
		return []func(){cpu, cpu}, func() error { return errors.ErrUnsupported }
	}, goOn: func(err error) bool { return errors.Is(err, errors.ErrUnsupported) }})
	require.ErrorContains(t, r.Err, "not deterministic")
}
