//go:build explore

// Package explore runs a few functions as if each were a CPU, through all
// interleavings of their atomic operations up to a number of preemptions, and
// stops at the first that panics, deadlocks or fails its check.
//
// The functions are the kernel's own: built with -tags explore, package atom
// calls Hook before each operation, and this package decides there which CPU
// goes next. A run is a list of such choices; the search is depth first over
// the choices of the last run (after CHESS: Musuvathi and Qadeer, "Iterative
// Context Bounding for Systematic Testing of Multithreaded Programs", 2007). It
// finds sequentially consistent interleavings only; on amd64, where Go's atomic
// stores are XCHG, there are no others for atomic words.
//
// Layer: host tests.
// Chapter: docs/02-black-box.md.
package explore

import (
	"fmt"
	"strings"

	"muster/kernel/atom"
)

// Model is one program to explore.
type Model struct {
	// Setup makes fresh state and returns the CPUs' programs and a check that
	// runs when all are done.
	Setup func() (cpus []func(), check func() error)
	// Preemptions bounds how often a run switches away from a CPU that could go on.
	Preemptions int
	// MaxRuns ends the search early; 0 means no limit.
	MaxRuns int
}

// Result says what a search did.
type Result struct {
	Runs     int   // interleavings tried
	Complete bool  // none is left within the bound
	Err      error // the first failure, nil if there was none
	Schedule []int // the CPU that made each step of the failing run
}

// String is a line for a test log.
func (r Result) String() string {
	s := fmt.Sprintf("%d interleavings, complete %v", r.Runs, r.Complete)
	if r.Err != nil {
		s += fmt.Sprintf(": %v\nschedule %s", r.Err, strings.Trim(fmt.Sprint(r.Schedule), "[]"))
	}
	return s
}

// choice is one point of a run where more than one CPU could go on.
type choice struct {
	options []int // CPU numbers, the one that ran before first
	taken   int
}

// Run searches m.
func Run(m Model) Result {
	var res Result
	var path []choice
	for {
		res.Runs++
		path, res.Schedule, res.Err = once(m, path)
		if res.Err != nil {
			return res
		}
		for len(path) > 0 && path[len(path)-1].taken+1 == len(path[len(path)-1].options) {
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			res.Complete = true
			return res
		}
		if m.MaxRuns > 0 && res.Runs >= m.MaxRuns {
			return res
		}
		path[len(path)-1].taken++
	}
}

// until blocks the current CPU of a run; nil outside one.
var until func(cond func() bool)

// Until stops the CPU that calls it until cond holds. It is for the parts of a model
// that are not the kernel's code, such as hardware: a loop around atom.Pause would do
// too, but each turn that changes nothing makes interleavings of its own. cond reads
// the model's words, and changes nothing.
func Until(cond func() bool) { until(cond) }

// proc is one CPU of a run.
type proc struct {
	id      int
	resume  chan bool // false: the run is over, unwind
	waiting bool      // in a spin loop, until another CPU has written
	done    bool
	cond    func() bool // not nil: waits for it
	writing bool        // its next step changes a word
	writes  int         // steps of this CPU that changed a word
	seen    int         // writes by others when it last left Pause
}

// abandoned unwinds the goroutines of a run that has failed.
type abandoned struct{}

// once replays path, continues with first choices and returns the extended path.
func once(m Model, path []choice) (out []choice, schedule []int, err error) {
	programs, check := m.Setup()
	procs := make([]*proc, len(programs))
	yielded := make(chan error)
	var current *proc
	writes := 0
	atom.Hook = func(s atom.Step) {
		p := current
		if p == nil {
			return // Setup and check are not explored
		}
		p.writing = s == atom.Write
		if s == atom.Wait {
			others := writes - p.writes
			p.waiting = others == p.seen
			p.seen = others
		}
		yielded <- nil
		if !<-p.resume {
			panic(abandoned{})
		}
	}
	until = func(cond func() bool) {
		p := current
		p.writing, p.cond = false, cond
		yielded <- nil
		if !<-p.resume {
			panic(abandoned{})
		}
	}
	defer func() { atom.Hook, until = nil, nil }()
	for i, program := range programs {
		p := &proc{id: i, resume: make(chan bool)}
		procs[i] = p
		go func() {
			defer func() {
				p.done = true
				r := recover()
				if _, ok := r.(abandoned); ok {
					yielded <- nil
				} else if r != nil {
					yielded <- fmt.Errorf("cpu %d: panic: %v", p.id, r)
				} else {
					yielded <- nil
				}
			}()
			if !<-p.resume {
				panic(abandoned{})
			}
			program()
		}()
	}
	defer func() {
		for _, p := range procs {
			if !p.done {
				p.resume <- false
				<-yielded
			}
		}
		current = nil
	}()
	last, preempted, at := -1, 0, 0
	for step := 0; ; step++ {
		options := runnable(procs, last, preempted < m.Preemptions)
		if len(options) == 0 {
			for _, p := range procs {
				if !p.done {
					return path, schedule, fmt.Errorf("cpu %d waits for ever after %d steps", p.id, step)
				}
			}
			break
		}
		if step > 100000 {
			return path, schedule, fmt.Errorf("no end after %d steps", step)
		}
		pick := options[0]
		if len(options) > 1 {
			if at == len(path) {
				path = append(path, choice{options: options})
			}
			pick = options[path[at].taken]
			at++
		}
		if last >= 0 && pick != last && procs[last].canRun() {
			preempted++
		}
		last = pick
		schedule = append(schedule, pick)
		current = procs[pick]
		current.cond = nil
		wrote := current.writing
		current.resume <- true
		if err := <-yielded; err != nil {
			return path, schedule, err
		}
		if wrote { // may end the others' waits
			writes++
			current.writes++
			for _, p := range procs {
				if p != current && p.waiting {
					p.waiting = false
					p.seen = writes - p.writes
				}
			}
		}
		current = nil
	}
	if err := check(); err != nil {
		return path, schedule, err
	}
	return path, schedule, nil
}

// canRun reports whether a CPU could make a step.
func (p *proc) canRun() bool { return !p.done && !p.waiting && (p.cond == nil || p.cond()) }

// runnable lists the CPUs that can go on, the one that ran last first. Without
// preemption left, that one alone if it can.
func runnable(procs []*proc, last int, preempt bool) []int {
	var list []int
	if last >= 0 && procs[last].canRun() {
		list = append(list, last)
		if !preempt {
			return list
		}
	}
	for _, p := range procs {
		if p.id != last && p.canRun() {
			list = append(list, p.id)
		}
	}
	return list
}
