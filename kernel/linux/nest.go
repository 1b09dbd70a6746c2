package linux

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// An epoll may watch epolls, but not itself by any way round. As in Linux, a chain of
// epolls has at most maxNest steps, those above the epoll that gets a new watch included.

// nesting is held while an epoll is added to another, so that two additions do not
// close a circle together, or a chain that is too long.
var nesting sched.Mutex

// maxNest is the number of steps from the first epoll of a chain to the last one.
const maxNest = 4

// visit is how deep the last search has met an epoll. It is used under nesting.
type visit struct {
	search uint64
	depth  int
}

// again notes that a search has met an epoll at a depth, and reports whether the search has
// to go on from there: it has met the epoll less deep before, or not at all.
func (v *visit) again(depth int) bool {
	if v.search == searches && v.depth >= depth {
		return false
	}
	*v = visit{searches, depth}
	return true
}

// searches counts the searches; it is used under nesting.
var searches uint64

// mayNest reports whether the epoll of ef may watch that of f.
//
// Context: no spinlock held. Returns the CPU on which the task goes on.
// Locks: nesting held.
func mayNest(c *percpu.CPU, ef, f *File) (_ *percpu.CPU, ok bool) {
	nesting.AssertHeld(c)
	c, above := chainAbove(c, ef)
	c, bad := circles(c, ef.epoll, f.epoll, maxNest-1-above)
	return c, !bad
}

// circles reports whether ep must not watch to: ep lies below to, or the chain below to
// has more steps than room. It goes through the epolls below to, depth first, each again
// only if it is met deeper than before.
//
// Context: no spinlock held. Returns the CPU on which the task goes on.
// Locks: nesting held.
func circles(c *percpu.CPU, ep, to *epoll, room int) (_ *percpu.CPU, bad bool) {
	nesting.AssertHeld(c)
	searches++
	var path [maxNest]struct {
		ep   *epoll // with a reference
		from uint64 // key of the next watch to look at
	}
	to.refs.Get(c)
	path[0].ep = to
	bad = to == ep || room < 0
	for depth := 0; depth >= 0; c = sched.Breathe(c) {
		top := &path[depth]
		inner, more := (*epoll)(nil), false
		if !bad {
			inner, more = top.ep.inner(c, &top.from)
		}
		switch {
		case inner == nil && !more:
			top.ep.put(c)
			top.ep, top.from = nil, 0
			depth--
		case inner == nil:
		case inner == ep || depth == room:
			bad = true
			inner.put(c)
		case !inner.seen.again(depth):
			inner.put(c)
		default:
			depth++
			path[depth].ep = inner
		}
	}
	return c, bad
}

// chainAbove returns the number of steps of the longest chain of epolls that ends at ef's,
// maxNest for more. It goes through the epolls above as circles does through those below.
//
// Context: no spinlock held. Returns the CPU on which the task goes on.
// Locks: nesting held.
func chainAbove(c *percpu.CPU, ef *File) (_ *percpu.CPU, steps int) {
	nesting.AssertHeld(c)
	searches++
	var path [maxNest + 1]struct {
		f    *File // with a reference, except the first
		from uint64
	}
	path[0].f = ef
	for depth := 0; ; c = sched.Breathe(c) {
		top := &path[depth]
		outer, more := (*File)(nil), false
		if depth < maxNest {
			outer, more = top.f.outer(c, &top.from)
		}
		switch {
		case outer != nil && !outer.epoll.seen.again(depth):
			c = outer.put(c)
		case outer != nil:
			depth++
			steps = max(steps, depth)
			path[depth].f = outer
		case more:
		case depth == 0:
			return c, steps
		default:
			c = top.f.put(c)
			top.f, top.from = nil, 0
			depth--
		}
	}
}

// innerStep is the number of watches that inner looks at in one step.
const innerStep = 64

// inner returns the next epoll that ep watches, with a reference, by the watches from
// a key on, and moves the key. more says that another call may find one.
func (ep *epoll) inner(c *percpu.CPU, from *uint64) (found *epoll, more bool) {
	ep.mu.Lock(c)
	n := ep.watches.AtLeast(*from)
	for i := 0; n != nil && found == nil && i < innerStep; i++ {
		*from = n.Key + 1
		if f := watchOfEpoll(n).file; f.kind == kindEpoll {
			found = f.epoll
			found.refs.Get(c) // f has a reference until after dropWatches, which removes the watch
		}
		n = ep.watches.AtLeast(*from)
	}
	more = n != nil
	ep.mu.Unlock(c)
	return found, more
}

// outer returns the file of the next epoll that watches f, with a reference, by the watches
// from a key on, and moves the key. more says that another call may find one.
func (f *File) outer(c *percpu.CPU, from *uint64) (found *File, more bool) {
	f.mu.Lock(c)
	n := f.watches.AtLeast(*from)
	for i := 0; n != nil && found == nil && i < innerStep; i++ {
		*from = n.Key + 1
		ep := watchOfFile(n).ep
		ep.mu.Lock(c)
		if o := ep.file; o != nil && o.refs.TryGet() { // the epoll of a poll has no file
			found = o
		}
		ep.mu.Unlock(c)
		n = f.watches.AtLeast(*from)
	}
	more = n != nil
	f.mu.Unlock(c)
	return found, more
}

// settle takes off the list of an epoll what has nothing to report, up to the first
// watch that has. So an epoll that is watched is not called ready for an event that has
// passed. It goes through epolls below, too.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) settle(c *percpu.CPU) *percpu.CPU {
	if f.kind != kindEpoll {
		return c
	}
	var path [maxNest + 1]*watch // busy, each with a reference to its file
	depth, settled := 0, false
	ep := f.epoll
	for turn := 0; ; c = breatheEvery(c, &turn, 16) {
		w := (*watch)(nil)
		if !settled {
			todo := -1
			if w = ep.next(c, &todo); w == nil && todo > 0 {
				continue
			}
			if w != nil && w.file.kind == kindEpoll && depth < len(path) {
				path[depth] = w
				depth++
				ep = w.file.epoll
				continue
			}
		}
		if w == nil { // ep is settled: go on with the watch that has led here
			if depth == 0 {
				return c
			}
			depth--
			w = path[depth]
			ep = w.ep
		}
		settled = w.prune(c)
		of := w.file
		w.release(c)
		c = of.put(c)
	}
}
