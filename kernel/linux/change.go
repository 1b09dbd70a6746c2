package linux

import (
	"unsafe"

	"muster/kernel/list"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Events of poll and epoll. Linux names some twice: pollIn and pollOut have both
// names of "there are bytes" and "there is room".
const (
	epollIn  = 0x001
	epollOut = 0x004
	epollErr = 0x008
	epollHup = 0x010

	pollIn   = epollIn | 0x040
	pollOut  = epollOut | 0x100
	pollNval = 0x020

	pollPri       = 0x002
	pollReadBand  = 0x080
	pollWriteBand = 0x200

	eventBits = 0xffff
)

// change notifies the epolls that watch a file of what happened to it. A program
// decides how many they are, and epolls may watch epolls, so a change is worked off
// in steps: begin makes the first one under the file's lock, and end the others. Epolls are
// worked off in the order of their notes, so all that are n steps above the file come
// before the first that is n+1 steps above it. An epoll to which many ways lead is noted
// once for each length of a way, not once for each way.
type change struct {
	key   uint32     // the events that may hold now
	f     *File      // a file with more watches to notify, and a reference to it
	from  uint64     // the first of them
	outer list.Queue // epolls whose own watches are to be notified, each with a reference
	dying endings    // files whose last reference this was
}

// changeStep is the number of watches that are notified in one step.
const changeStep = 32

// begin notifies the first watches of f. key is what may have become true.
//
// Locks: f.mu held.
func (ch *change) begin(c *percpu.CPU, f *File, key uint32) {
	f.mu.AssertHeld(c)
	if f.watches.Root != nil {
		ch.first(c, f, key)
	}
}

// first is begin for a file that is watched.
//
// Locks: f.mu held.
func (ch *change) first(c *percpu.CPU, f *File, key uint32) {
	f.mu.AssertHeld(c)
	ch.key, ch.from = key, 0
	if ch.batch(c, f) && f.refs.TryGet() { // if f is ending, nothing watches it any more
		ch.f = f
	}
}

// batch notifies some watches and reports whether more are left.
//
// Locks: f.mu held.
func (ch *change) batch(c *percpu.CPU, f *File) (more bool) {
	f.mu.AssertHeld(c)
	n := f.watches.AtLeast(ch.from)
	for i := 0; n != nil; n = f.watches.AtLeast(ch.from) {
		if i == changeStep {
			return true
		}
		i++
		ch.from = n.Key + 1
		watchOfFile(n).trigger(c, ch)
	}
	return false
}

// end notifies what begin has left.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (ch *change) end(c *percpu.CPU) *percpu.CPU {
	if ch.f != nil || ch.outer.First() != nil {
		c = ch.rest(c)
	}
	return c
}

func (ch *change) rest(c *percpu.CPU) *percpu.CPU { return ch.dying.finish(ch.run(c)) }

// run is end, but leaves the files in dying to the caller.
func (ch *change) run(c *percpu.CPU) *percpu.CPU {
	for ch.next(c) {
		c = sched.Breathe(c)
	}
	return c
}

// next makes one step and reports false if there was none to make.
func (ch *change) next(c *percpu.CPU) bool {
	if ch.f == nil {
		k := ch.outer.Pop()
		if k == nil {
			return false
		}
		ch.f, ch.from, ch.key = epollOfNote(k).takeNote(c), 0, pollIn
		if ch.f == nil {
			return true
		}
	}
	f := ch.f
	f.mu.Lock(c)
	more := ch.batch(c, f)
	f.mu.Unlock(c)
	if !more {
		ch.f = nil
		ch.dying.put(c, f)
	}
	return true
}

// note puts an epoll that has something new to report onto the list of those whose
// own watches are to be notified, if there may be any.
//
// Locks: ep.mu held.
func (ch *change) note(c *percpu.CPU, ep *epoll) {
	ep.mu.AssertHeld(c)
	if ep.watched.Load() != 0 && !ep.noted {
		ep.noted = true
		ep.refs.Get(c)
		ch.outer.Push(&ep.note)
	}
}

// takeNote undoes note. It returns the epoll's file, with a reference, or nil if the
// file is ending.
func (ep *epoll) takeNote(c *percpu.CPU) (f *File) {
	ep.mu.Lock(c)
	ep.noted = false
	if f = ep.file; f != nil && !f.refs.TryGet() {
		f = nil
	}
	ep.mu.Unlock(c)
	ep.put(c)
	return f
}

func epollOfNote(k *list.Link) *epoll {
	return (*epoll)(unsafe.Add(unsafe.Pointer(k), -int(unsafe.Offsetof(epoll{}.note))))
}
