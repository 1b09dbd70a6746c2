//go:build explore

package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// An epoll does not watch itself by any way round, nor by too long a chain.
func TestCircles(t *testing.T) {
	w := newWorld(1)
	c := w.cpus[0]
	nesting.Init()
	// chain makes epolls of which each watches the one before, by several descriptors.
	chain := func(n int) (list []*File) {
		for i := range n {
			f := newTestFile(kindEpoll)
			for fd := range uint64(min(i, 3)) {
				watchFile(c, f.epoll, list[i-1], fd, epollIn)
			}
			list = append(list, f)
		}
		return list
	}
	bad := func(ep, to *File) bool {
		nesting.Lock(c)
		_, ok := mayNest(c, ep, to)
		nesting.Unlock(c)
		return !ok
	}
	list := chain(maxNest + 1)
	require.True(t, bad(list[0], list[0]), "itself")
	require.True(t, bad(list[0], list[1]))
	require.True(t, bad(list[0], list[4]))

	for below := range maxNest + 1 {
		for above := range maxNest + 1 {
			under, over := chain(below+1), chain(above+1)
			require.Equal(t, below+1+above > maxNest, bad(over[0], under[below]), "%d steps below, %d above", below, above)
			require.True(t, under[0].epoll.refs.Only(), "references are given back")
			for _, f := range over {
				require.True(t, f.refs.Only(), "references are given back")
			}
		}
	}

	// Of two chains above, the longer one counts, also if both lead to the same epoll.
	ends := chain(1)
	short, long := newTestFile(kindEpoll), chain(maxNest-1)
	top := newTestFile(kindEpoll)
	watchFile(c, top.epoll, ends[0], 0, epollIn) // a way of one step
	watchFile(c, short.epoll, ends[0], 1, epollIn)
	watchFile(c, long[0].epoll, ends[0], 2, epollIn)
	watchFile(c, top.epoll, long[maxNest-2], 3, epollIn) // and one of maxNest
	require.True(t, bad(ends[0], newTestFile(kindEpoll)))
}

// nests searches a task that waits in an epoll for an eventfd in an epoll below.
func nests(preemptions int, settle bool, signal func(*File, *percpu.CPU)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		f, inner, outer := w.file(kindEvent), w.file(kindEpoll), w.file(kindEpoll)
		watchFile(w.cpus[0], inner.epoll, f, 1, epollIn)
		watchFile(w.cpus[0], outer.epoll, inner, 2, epollIn)
		programs := []func(){
			func() { epollOne(w, 0, outer.epoll) },
			func() { signal(f, w.cpus[1]) },
		}
		if settle {
			programs = append(programs, func() { outer.settle(w.cpus[2]) })
		}
		return programs, func() error {
			return must(map[string]bool{
				"a reference too many": f.refs.Only() && inner.refs.Only() && outer.refs.Only(),
				"a note is left":       !inner.epoll.noted && !outer.epoll.noted,
			})
		}
	})
}

// What becomes ready in an epoll below wakes a task that waits above, also while
// others take stale watches off the lists.
func TestNestedWakes(t *testing.T) {
	passes(t, nests(4, false, func(f *File, c *percpu.CPU) { f.Signal(c) }))
	passes(t, nests(2, true, func(f *File, c *percpu.CPU) { f.Signal(c) }))
}

// Negative control: a change that stops at the first epoll.
func TestNestedNoteDroppedIsFound(t *testing.T) {
	fails(t, nests(2, false, func(f *File, c *percpu.CPU) {
		var ch change
		f.mu.Lock(c)
		f.event.n++
		ch.begin(c, f, pollIn)
		f.mu.Unlock(c)
	}), "waits forever")
}

// notes searches an epoll that is watched, and closed while an event below it arrives.
// end works the event's notes off.
func notes(end func(*change, *percpu.CPU)) explore.Result {
	return search(3, func() ([]func(), func() error) {
		w := newWorld(3)
		f, inner, outer := w.file(kindEvent), w.file(kindEpoll), w.file(kindEpoll)
		ep := inner.epoll
		watchFile(w.cpus[0], ep, f, 1, epollIn)
		watchFile(w.cpus[0], outer.epoll, inner, 2, epollIn)
		return []func(){
				func() {
					var ch change
					c := w.cpus[0]
					f.mu.Lock(c)
					f.event.n++
					ch.begin(c, f, pollIn)
					f.mu.Unlock(c)
					end(&ch, c)
				},
				func() { inner.put(w.cpus[1]) },
			}, func() error {
				return must(map[string]bool{
					"epoll not freed":      isFreed(unsafe.Pointer(ep)) && isFreed(unsafe.Pointer(inner)),
					"a watch is left":      outer.epoll.watches.Root == nil && f.watches.Root == nil,
					"a reference too many": f.refs.Only() && outer.refs.Only() && outer.epoll.refs.Only(),
				})
			}
	})
}

// The note of an event does not outlive the epoll that it belongs to.
func TestNestedCloseAgainstNote(t *testing.T) {
	passes(t, notes(func(ch *change, c *percpu.CPU) { ch.end(c) }))
}

// endBy is change.end with another takeNote.
func endBy(take func(*epoll, *percpu.CPU) *File) func(*change, *percpu.CPU) {
	return func(ch *change, c *percpu.CPU) {
		for k := ch.outer.Pop(); k != nil; k = ch.outer.Pop() {
			f := take(epollOfNote(k), c)
			if f == nil {
				continue
			}
			ch.from, ch.key = 0, pollIn
			f.mu.Lock(c)
			ch.batch(c, f)
			f.mu.Unlock(c)
			f.put(c)
		}
	}
}

// Negative control: a note that raises the count of an epoll's file that is ending.
func TestNoteRaisesFromZeroIsFound(t *testing.T) {
	fails(t, notes(endBy(func(ep *epoll, c *percpu.CPU) (f *File) {
		ep.mu.Lock(c)
		ep.noted = false
		if f = ep.file; f != nil {
			raise(f)
		}
		ep.mu.Unlock(c)
		ep.put(c)
		return f
	})), afterEnd)
}

// Negative control: a note that gives its reference up, and then looks at the epoll.
func TestNoteWithoutReferenceIsFound(t *testing.T) {
	fails(t, notes(endBy(func(ep *epoll, c *percpu.CPU) (f *File) {
		ep.put(c)
		ep.mu.Lock(c)
		ep.noted = false
		if f = ep.file; f != nil && !f.refs.TryGet() {
			f = nil
		}
		ep.mu.Unlock(c)
		return f
	})), afterEnd)
}
