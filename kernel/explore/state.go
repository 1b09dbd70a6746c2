//go:build explore

package explore

import (
	"unsafe"

	"muster/kernel/atom"
)

// word is the explorer's record of a word of memory.
type word struct {
	last uint64 // the history of the CPU that wrote it last, up to that write; 0 for none
}

// words finds them by address. It keeps the memory alive, so that an address stays
// unique.
type words map[unsafe.Pointer]*word

func (w words) at(p unsafe.Pointer) *word {
	x := w[p]
	if x == nil {
		x = &word{}
		w[p] = x
	}
	return x
}

// observation is a word that was read, and the write that was found there.
type observation struct {
	word *word
	last uint64
}

// mix is a permutation of 64 bits that leaves no pattern (the end of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33 + 0x9e3779b97f4a7c15
}

// read folds what a CPU finds in a word into its history.
func (p *proc) read(w *word) {
	p.history = mix(p.history ^ mix(w.last))
	for _, o := range p.turn {
		if o.word == w {
			return // only the first read of the turn counts
		}
	}
	p.turn = append(p.turn, observation{w, w.last})
}

// written makes a CPU's write the last of a word. The former value is not part of
// the history, because a store does not read it.
func (r *run) written(p *proc, w *word) {
	p.history = mix(p.history + 1)
	if w.last != 0 {
		r.held -= mix(w.last)
	}
	w.last = p.history
	r.held += mix(w.last)
}

// changed reports whether a word was written since this turn of a CPU read it.
func (p *proc) changed() bool {
	for _, o := range p.turn {
		if o.word.last != o.last {
			return true
		}
	}
	return false
}

// contents is a hash of which write each word holds. The writes name the words: a
// history belongs to one place in one CPU's program.
func (r *run) contents() uint64 { return r.held }

// state is a hash of the state of the run.
func (r *run) state() uint64 {
	state := r.memory(r)
	for _, p := range r.procs {
		state += mix(p.history)
	}
	if r.Preemptions != Unbounded && r.last != nil && r.canRun(r.last) {
		state ^= mix(uint64(r.last.id) + 1)
	}
	return state
}

// outlook is a hash of what the CPUs can do, and are about to do, in a state. The
// state decides it if the model keeps the rules.
func (r *run) outlook() (h uint64) {
	for _, p := range r.procs {
		var next uint64
		if r.canRun(p) {
			next = 1
		}
		if p.about != nil {
			next += mix(p.about.last)
		}
		h = mix(h + next)
	}
	return h
}

// Var is a number that the CPUs of a model share and that is not a word of the
// kernel, a device's register for example. Its use is not a step of its own: it
// belongs to the step before.
type Var struct{ v int }

// Get returns the value.
func (x *Var) Get() int { access(atom.Read, x); return x.v }

// Set sets it.
func (x *Var) Set(v int) { access(atom.Write, x); x.v = v }

// Add adds d.
func (x *Var) Add(d int) { access(atom.Update, x); x.v += d }

func access(a atom.Access, x *Var) {
	if active != nil {
		active.Access(a, unsafe.Pointer(x))
	}
}
