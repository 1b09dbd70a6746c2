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
// # What the search leaves out, and why nothing is lost
//
// Most interleavings differ in the order of steps that have nothing to do with each
// other, and lead to the same state. The search remembers the states that it has
// been in and leaves a run that comes to one again. It does not compare memory: two
// runs are in the same state if each CPU has read what the same writes left, all the
// way from its beginning, and each word holds what the same write left. A CPU's
// program is deterministic, so what it has read decides what it has written, where it
// stands and what it does next; and what it reads next is what those last writes left
// in the words. So whatever can follow in the one run can follow in the other.
//
// That argument needs no relation between steps that commute, and so no care for a
// bound on preemptions, which partial-order reduction by persistent or sleep sets
// does (Coons, Musuvathi, McKinley, "Bounded Partial-Order Reduction", 2013). With a
// bound, what can follow depends on two more things: the CPU that ran last, if it could
// go on, and the preemptions that are used up. The first is part of the state; a state
// is left only if it was searched with at least as many preemptions to go. So the
// bounded search with the reduction finds what the bounded search without it finds,
// no less and no more; property_test.go compares the two on random programs. (The same
// idea for unbounded searches is in Musuvathi and Qadeer, "Partial-Order Reduction for
// Context-Bounded State Exploration", 2007.)
//
// # What the models have to keep to
//
// The explorer sees atom words, and a model's own words of type Var. Whatever else
// CPUs share must be ordered by them: by CPU, or guarded by a lock made of atom words,
// or written before the atomic store that another CPU's load finds. Then what a CPU
// reads there, too, follows from which writes its loads have found. State that is
// shared otherwise can make two runs different that the explorer takes for one. So it
// compares, whenever it comes to a state again, which CPUs can go on and which word
// each is about to touch, and fails if they differ; Model.Plain turns the reduction
// off, to compare whole searches.
//
// States are told apart by a 64-bit hash. A search of ten million states takes two
// different ones for the same with a probability of about 3 in a million.
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
	// Preemptions bounds how often a run switches away from a CPU that could go on.
	Preemptions int
	// MaxRuns ends the search early; 0 means no limit.
	MaxRuns int
	// Plain makes the search go through every interleaving, those too that come to
	// a state that it has been in.
	Plain bool

	memory func(*run) uint64 // part of the state; nil means what the words hold
	goOn   func(error) bool  // whether to look for more after a run with this end; nil means after nil
}

// Result says what a search did.
type Result struct {
	Runs        int   // runs begun; a run ends where it comes to a state again
	States      int   // different states in which more than one CPU could go on
	Complete    bool  // nothing is left within the bound
	Preemptions int   // the bound
	CPUs        int   // programs of the model, its clocks and devices included
	Longest     int   // steps of the longest run
	Err         error // the first failure, nil if there was none
	Schedule    []int // the CPU that made each step of the failing run
}

// String is a line for a test log, with all bounds.
func (r Result) String() string {
	bound := fmt.Sprintf("at most %d preemptions", r.Preemptions)
	if r.Preemptions == Unbounded {
		bound = "any preemptions"
	}
	end := "complete"
	if !r.Complete {
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

// seen is what the search remembers of a state.
type seen struct {
	preempted int    // the fewest preemptions with which it was searched
	outlook   uint64 // what the CPUs could do then
}

// errHidden says that a model breaks the rules.
var errHidden = errors.New("a state goes on in two ways: CPUs share what is neither an atom word nor a Var")

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

// next turns to the next run: the last choice that has an option left takes it.
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

// visit notes that the run is in a state, and reports whether it can be left: the
// search has been there with no fewer preemptions to go.
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

// follows reports whether a state is what the last choice has led to before, if it was
// made before in the same state.
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
