//go:build explore

// Package explore runs a few functions as if each were a CPU, through all
// interleavings of their atomic operations up to a number of preemptions, and
// stops at the first that panics, deadlocks or fails its check.
//
// The functions are the kernel's own: built with -tags explore, package atom
// calls this package before each operation, and this package decides there which
// CPU goes next. A run is a list of such choices; the search is depth first over
// the choices of the last run (after CHESS: Musuvathi and Qadeer, "Iterative
// Context Bounding for Systematic Testing of Multithreaded Programs", 2007). It
// finds sequentially consistent interleavings only; on amd64, where Go's atomic
// stores are XCHG, there are no others for atomic words.
//
// # Why the reduction loses nothing
//
// Most interleavings differ in the order of steps that are independent of each
// other, and lead to the same state. The search remembers its states and ends a run
// that comes to a known state. It does not compare memory. Two runs are in the same
// state if each CPU has read the values of the same writes, from its beginning on,
// and each word holds the value of the same write. A CPU's program is
// deterministic: the values that it has read decide which values it has written,
// where it is and what it does next. The next value that it reads is the value of
// the last write to that word. So whatever can follow in one run can follow in the
// other.
//
// That argument needs no relation between steps that commute. Partial-order
// reduction by persistent or sleep sets needs one, and needs special care for a
// bound on preemptions (Coons, Musuvathi, McKinley, "Bounded Partial-Order
// Reduction", 2013). With a bound, what can follow depends on two more things: the
// CPU that ran last, if it could go on, and the number of preemptions so far. The
// first is part of the state. A run is ended at a known state only if the state was
// searched with at least as many preemptions left. So the bounded search with the
// reduction finds exactly what the bounded search without it finds;
// property_test.go compares the two on random programs. (The same idea for
// unbounded searches is in Musuvathi and Qadeer, "Partial-Order Reduction for
// Context-Bounded State Exploration", 2007.)
//
// # The rules for models
//
// The explorer sees atom words, and a model's own words of type Var. These must
// order all other memory that CPUs share: each CPU has its own part, or a lock made
// of atom words guards it, or it is written before the atomic store that another
// CPU's load finds. Then the loads of atom words also decide which values a CPU
// reads there. Memory that is shared in another way can make two runs different
// that the explorer takes for the same. So the explorer compares, whenever it comes
// to a known state, which CPUs can go on and which word each is about to touch, and
// fails if they differ. Model.Plain turns the reduction off, to compare whole
// searches.
//
// A state is a 64-bit hash. A search of ten million states takes two different
// states for the same with a probability of about 3 in a million.
//
// Layer: host tests.
// Chapter: docs/02-black-box.md.
package explore

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// Unbounded is the number of preemptions of a search without a bound.
const Unbounded = -1

// Model is one program to explore.
type Model struct {
	// Setup makes fresh state and returns the CPUs' programs and a check that
	// runs when all are done.
	Setup func() (cpus []func(), check func() error)
	// Preemptions is the largest number of times that a run switches away from a
	// CPU that could go on.
	Preemptions int
	// MaxRuns ends the search early; 0 means no limit.
	MaxRuns int
	// Plain makes the search go through every interleaving, also through those that
	// come to a known state.
	Plain bool

	memory func(*run) uint64 // part of the state; nil means the values of the words
	goOn   func(error) bool  // whether to continue after a run with this end; nil means after nil
}

// Result is the outcome of a search.
type Result struct {
	Runs        int   // runs begun; a run ends where it comes to a known state
	States      int   // different states in which more than one CPU could go on
	Complete    bool  // nothing is left within the bound
	Preemptions int   // the bound
	CPUs        int   // programs of the model, its clocks and devices included
	Longest     int   // steps of the longest run
	Err         error // the first failure, nil if there was none
	Schedule    []int // the CPU that made each step of the failing run
}

// String returns a line for a test log, with all bounds.
func (r Result) String() string {
	bound := fmt.Sprintf("at most %d preemptions", r.Preemptions)
	switch r.Preemptions {
	case 1:
		bound = "at most 1 preemption"
	case Unbounded:
		bound = "any number of preemptions"
	}
	end := "complete"
	switch {
	case r.Err != nil:
		end = "failed"
	case !r.Complete:
		end = "cut off"
	}
	s := fmt.Sprintf("%d programs, %s: %d runs of up to %d steps, %d states, %s", r.CPUs, bound, r.Runs, r.Longest, r.States, end)
	if r.Err != nil {
		s += fmt.Sprintf(": %v\nschedule %s", r.Err, strings.Trim(fmt.Sprint(r.Schedule), "[]"))
	}
	return s
}

// choice is one point of a run where more than one CPU could go on.
type choice struct {
	options []int // CPU numbers, the one that ran before first
	taken   int
	state   uint64
}

// seen is the record of a state.
type seen struct {
	preempted int    // the fewest preemptions with which it was searched
	outlook   uint64 // what the CPUs could do then
}

// errHidden says that a model breaks the rules.
var errHidden = errors.New("a state continues in two ways: CPUs share memory that is not an atom word or a Var")

// search is one search of a model.
type search struct {
	Model
	path   []choice // of the run in progress, or to replay
	states map[uint64]seen
	leads  map[uint64]uint64 // Plain: from a state, and the CPU that goes on there, to the next
}

// Run searches m.
func Run(m Model) Result {
	if m.memory == nil {
		m.memory = (*run).contents
	}
	if m.goOn == nil {
		m.goOn = func(err error) bool { return err == nil }
	}
	if audited > 0 && !m.Plain {
		plain := m
		plain.Plain, plain.MaxRuns = true, audited
		if r := Run(plain); errors.Is(r.Err, errHidden) {
			return r
		}
	}
	// A run leaves little behind, and the heap is small: without this the collector runs all the time.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	s := &search{Model: m, states: map[uint64]seen{}, leads: map[uint64]uint64{}}
	res := Result{Preemptions: m.Preemptions}
	for {
		r := s.once()
		res.Runs++
		res.CPUs, res.States = len(r.procs), len(s.states)
		res.Longest = max(res.Longest, len(r.schedule))
		if !r.left && !m.goOn(r.err) {
			res.Err, res.Schedule = r.err, r.schedule
			return res
		}
		if !s.next() {
			res.Complete = true
			return res
		}
		if m.MaxRuns > 0 && res.Runs >= m.MaxRuns {
			return res
		}
	}
}

// next prepares the next run: the last choice that has an option left takes it.
func (s *search) next() bool {
	for n := len(s.path); n > 0; n-- {
		if c := &s.path[n-1]; c.taken+1 < len(c.options) {
			c.taken++
			s.path = s.path[:n]
			return true
		}
	}
	return false
}

// visit records that the run is in a state, and reports whether the run can end
// there: the search has continued from this state with at least as many preemptions
// left.
func (s *search) visit(state uint64, preempted int, outlook uint64) (again bool, err error) {
	old, known := s.states[state]
	if known && old.outlook != outlook {
		return true, errHidden
	}
	if s.Plain && !s.follows(state, preempted) {
		return true, errHidden
	}
	again = known && old.preempted <= preempted
	if !again {
		s.states[state] = seen{preempted, outlook}
	}
	return again && !s.Plain, nil
}

// follows reports whether a state is the one to which the last choice has led
// before, if the choice was made before in the same state.
func (s *search) follows(state uint64, preempted int) bool {
	if len(s.path) == 0 {
		return true
	}
	c := s.path[len(s.path)-1]
	step := mix(c.state + mix(uint64(c.options[c.taken])+uint64(preempted)<<8))
	next, known := s.leads[step]
	s.leads[step] = state
	return !known || next == state
}
