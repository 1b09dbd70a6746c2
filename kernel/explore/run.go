//go:build explore

package explore

import (
	"fmt"
	"iter"
	"unsafe"

	"muster/kernel/atom"
)

// proc is one CPU of a run: a coroutine, which runs until the turn of another CPU.
type proc struct {
	id     int
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	done   bool

	history uint64        // hash of all that it has read and written
	turn    []observation // what it has read since the last turn of a spin loop
	spins   bool          // in a spin loop, and stops unless a word that it has read has changed
	cond    func() bool   // not nil: stops until it holds
	joined  bool          // its next operation belongs to the step in progress
	fresh   bool          // nothing was read since the last turn of a spin loop
	about   *word         // what its next operation touches, nil if that is not known
}

// run is one run of a model.
type run struct {
	*search
	procs     []*proc
	words     words
	current   *proc  // nil outside the CPUs' programs
	chosen    *proc  // the CPU of the next turn
	last      *proc  // made the last step
	blind     bool   // a condition is evaluated, to see whether it holds
	held      uint64 // sum over all words of the write that each holds
	preempted int
	at        int // choices made
	schedule  []int
	room      [8]*proc // for options
	err       error
	over      bool
	left      bool // at a known state
}

// abandoned unwinds the coroutines of a run that is over.
type abandoned struct{}

// longest is more steps than any run of a model takes that ends.
const longest = 100_000

// active is the run in progress.
var active *run

// once makes one run: it replays the path, and then takes first choices.
func (s *search) once() *run {
	r := &run{search: s, words: words{}}
	active, atom.Explorer = r, r
	defer func() { active, atom.Explorer = nil, nil }()
	programs, check := s.Setup()
	for i, program := range programs {
		r.procs = append(r.procs, r.start(i, program))
	}
	defer r.abandon()
	for r.choose(); !r.over; {
		p := r.chosen
		r.current = p
		_, alive := p.resume()
		r.current = nil
		if !alive {
			p.done = true
			r.choose()
		}
	}
	if r.err == nil && r.finished() {
		r.err = check()
	}
	return r
}

// start makes a program a coroutine. The program does not run yet.
func (r *run) start(id int, program func()) *proc {
	p := &proc{id: id, history: mix(uint64(id) + 1)}
	p.resume, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		defer func() {
			switch f := recover().(type) {
			case nil, abandoned:
			default:
				r.fail("cpu %d: panic: %v", p.id, f)
			}
		}()
		p.history = mix(p.history)
		program()
		p.history = mix(p.history)
	})
	return p
}

func (r *run) abandon() {
	r.over = true
	for _, p := range r.procs {
		p.stop()
	}
}

func (r *run) fail(format string, args ...any) {
	if !r.over {
		r.err, r.over = fmt.Errorf(format, args...), true
	}
}

func (r *run) finished() bool {
	for _, p := range r.procs {
		if !p.done {
			return false
		}
	}
	return true
}

// turnOver is where a CPU waits for its turn. A CPU that is chosen again continues
// without a switch of coroutines.
func (r *run) turnOver(p *proc) {
	if r.choose(); r.chosen == p && !r.over {
		return
	}
	if !p.yield(struct{}{}) {
		panic(abandoned{})
	}
}

// choose selects the CPU that makes the next step, or ends the run.
func (r *run) choose() {
	if r.over {
		return
	}
	options := r.options()
	if len(options) == 0 {
		for _, p := range r.procs {
			if !p.done {
				r.fail("cpu %d waits forever after %d steps", p.id, len(r.schedule))
			}
		}
		r.over = true
		return
	}
	pick := options[0]
	if len(options) > 1 {
		if pick = r.branch(options); r.over {
			return
		}
	}
	if len(r.schedule) > longest {
		r.fail("no end after %d steps", longest)
		return
	}
	if r.last != nil && pick != r.last && r.canRun(r.last) {
		r.preempted++
	}
	r.last, r.chosen = pick, pick
	r.schedule = append(r.schedule, pick.id)
}

// branch takes an option from the path, or the first option beyond the end of the
// path.
func (r *run) branch(options []*proc) *proc {
	state := r.state()
	if r.at == len(r.path) {
		again, err := r.visit(state, r.preempted, r.outlook())
		if err != nil {
			r.fail("%w", err)
		}
		if r.over || again {
			r.over, r.left = true, err == nil
			return nil
		}
		r.path = append(r.path, choice{options: ids(options), state: state})
	}
	c := r.path[r.at]
	if c.state != state {
		r.fail("step %d differs from the run before: the model is not deterministic", len(r.schedule))
		return nil
	}
	r.at++
	return r.procs[c.options[c.taken]]
}

func ids(procs []*proc) (list []int) {
	for _, p := range procs {
		list = append(list, p.id)
	}
	return list
}

// options lists the CPUs that can go on, the one that ran last first. Without a
// preemption left it lists that one alone if it can go on.
func (r *run) options() []*proc {
	list := r.room[:0]
	if r.last != nil && r.canRun(r.last) {
		list = append(list, r.last)
		if r.Preemptions != Unbounded && r.preempted >= r.Preemptions {
			return list
		}
	}
	for _, p := range r.procs {
		if p != r.last && r.canRun(p) {
			list = append(list, p)
		}
	}
	return list
}

// canRun reports whether a CPU could make a step. That follows from the state.
func (r *run) canRun(p *proc) bool {
	switch {
	case p.done:
		return false
	case p.spins:
		return p.changed()
	case p.cond != nil:
		r.blind = true
		defer func() { r.blind = false }()
		return p.cond()
	}
	return true
}

// Step is called by package atom before an operation.
func (r *run) Step(address unsafe.Pointer) {
	p := r.current
	if p == nil || r.blind {
		return
	}
	if p.joined {
		p.joined = p.cond != nil // all reads of a condition do
		return
	}
	if !p.fresh {
		p.about = r.words.at(address)
	}
	r.turnOver(p)
	p.about = nil
}

// Access is called by package atom with each operation, and by Var.
func (r *run) Access(a atom.Access, address unsafe.Pointer) {
	p := r.current
	if p == nil || r.blind {
		return
	}
	p.fresh = false
	w := r.words.at(address)
	if a != atom.Write {
		p.read(w)
	}
	if a != atom.Read {
		r.written(p, w)
	}
}

// Pause is called by package atom in spin loops. A turn of a loop that reads only
// the values of the turn before would be the same again. So the CPU stops until a
// word that it has read since is written. The operation after the wait belongs to
// the step.
func (r *run) Pause() {
	p := r.current
	if p == nil {
		return
	}
	if !p.changed() {
		p.spins = true
		r.turnOver(p)
		p.spins, p.joined = false, true
	}
	p.turn, p.fresh = p.turn[:0], true
}

// Until stops the CPU that calls it until cond holds. It is for the parts of a model
// that are not the kernel's code, such as hardware. cond reads atom words and Vars,
// and changes nothing.
func Until(cond func() bool) {
	r := active
	p := r.current
	p.cond = cond
	r.turnOver(p)
	p.joined = true
	cond() // once more, to record what it reads
	p.joined, p.cond = false, nil
}
