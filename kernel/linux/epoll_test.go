package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// reports is what an epoll has to report, in order.
func (ep *epoll) reports() (list []uint64) {
	for n := ep.ready.First(); n != nil && len(list) < 100; n = ep.ready.Next(n) {
		list = append(list, watchReady(n).fd)
	}
	return list
}

// newTestFile makes a file of a kind, with its epoll.
func newTestFile(kind fileKind) *File {
	f := &File{}
	f.init(kind)
	if kind == kindEpoll {
		f.epoll = &epoll{file: f}
		f.epoll.init()
	}
	return f
}

// watchFile adds a watch as epoll_ctl does.
func watchFile(c *percpu.CPU, ep *epoll, f *File, fd uint64, events uint32) *watch {
	w := &watch{ep: ep, file: f, fd: fd, events: events | epollAlways}
	f.mu.Lock(c)
	ep.mu.Lock(c)
	w.link(c)
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	if f.kind == kindEpoll {
		f.epoll.watched.Store(1)
	}
	return w
}

func newWatches(c *percpu.CPU, n int, events uint32) (*epoll, []*watch) {
	ep, f := newTestFile(kindEpoll).epoll, newTestFile(kindEvent)
	var list []*watch
	for fd := range n {
		list = append(list, watchFile(c, ep, f, uint64(fd), events))
	}
	return ep, list
}

// A watch is on the list of reports once, and leaves all lists at its end. The collector
// that works on it then frees it.
func TestWatchLists(t *testing.T) {
	c := &percpu.CPU{}
	ep, w := newWatches(c, 3, epollIn)
	f := w[0].file
	f.mu.Lock(c)
	ep.mu.Lock(c)
	for _, x := range w {
		x.list(c)
		x.list(c)
	}
	require.Equal(t, []uint64{0, 1, 2}, ep.reports())
	require.Equal(t, 3, ep.nready)
	require.True(t, w[1].unlink(c))
	w[2].busy = 1
	require.False(t, w[2].unlink(c))
	require.True(t, w[2].dead)
	require.Equal(t, []uint64{0}, ep.reports())
	require.Equal(t, 1, ep.nready)
	require.Same(t, w[0], watchOfFile(f.watches.First()))
	require.Same(t, w[0], ep.find(c, f, 0))
	require.Nil(t, ep.find(c, f, 1))
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
}

// happens notifies the epolls that watch f of events.
func happens(c *percpu.CPU, f *File, events uint32) {
	var ch change
	f.mu.Lock(c)
	ch.begin(c, f, events)
	f.mu.Unlock(c)
	for ch.next(c) {
	}
}

// A watch is listed for the events in its mask, and for errors in any case, unless it is
// spent.
func TestTrigger(t *testing.T) {
	c := &percpu.CPU{}
	ep, w := newWatches(c, 3, epollIn|epollEdge)
	w[1].events = epollOut | epollAlways
	w[2].spent = true // reported once
	happens(c, w[0].file, pollIn)
	require.Equal(t, []uint64{0}, ep.reports())
	happens(c, w[0].file, epollHup)
	require.Equal(t, []uint64{0, 1}, ep.reports())
}

// A change reaches more watches than one step notifies, and those that come meanwhile
// are not needed.
func TestChangeInSteps(t *testing.T) {
	c := &percpu.CPU{}
	const n = 2*changeStep + 3
	ep, w := newWatches(c, n, epollIn)
	f := w[0].file
	var ch change
	f.mu.Lock(c)
	ch.begin(c, f, pollIn)
	f.mu.Unlock(c)
	require.Len(t, ep.reports(), changeStep, "in one step")
	require.Same(t, f, ch.f)
	f.mu.Lock(c)
	ep.mu.Lock(c)
	w[changeStep].unlink(c) // the next one goes
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	for ch.next(c) {
	}
	require.Len(t, ep.reports(), n-1)
	require.True(t, f.refs.Only(), "the change gave its reference up")
}

// A change works off each epoll once, however many ways lead to it.
func TestChangeOfManyWays(t *testing.T) {
	c := &percpu.CPU{}
	const wide = 9
	event := newTestFile(kindEvent)
	below, layers := []*File{event}, [maxNest][]*File{}
	for i := range layers {
		for range wide {
			f := newTestFile(kindEpoll)
			for fd, in := range below {
				watchFile(c, f.epoll, in, uint64(fd), epollIn)
			}
			layers[i] = append(layers[i], f)
		}
		below = layers[i]
	}
	var ch change
	event.event.n = 1
	event.mu.Lock(c)
	ch.begin(c, event, pollIn)
	event.mu.Unlock(c)
	steps := 0
	for ch.next(c) {
		steps++
	}
	require.LessOrEqual(t, steps, (maxNest-1)*wide, "a step for each epoll that is watched")
	for i, files := range layers {
		want := wide
		if i == 0 {
			want = 1
		}
		for _, f := range files {
			require.Len(t, f.epoll.reports(), want)
			require.True(t, f.refs.Only())
			require.False(t, f.epoll.noted)
		}
	}
}

// What becomes ready in an epoll reaches the epolls that watch it, up to the top.
func TestNestedChange(t *testing.T) {
	c := &percpu.CPU{}
	event := newTestFile(kindEvent)
	files := []*File{event}
	for range 4 {
		f := newTestFile(kindEpoll)
		watchFile(c, f.epoll, files[len(files)-1], 7, epollIn)
		files = append(files, f)
	}
	event.event.n = 1
	happens(c, event, pollIn)
	for _, f := range files[1:] {
		require.Equal(t, []uint64{7}, f.epoll.reports())
		require.True(t, f.refs.Only())
		require.False(t, f.epoll.noted)
	}
	top := files[4]
	top.settle(c)
	require.Len(t, top.epoll.reports(), 1, "it is still ready")
	event.event.n = 0
	top.settle(c)
	for _, f := range files[1:] {
		require.Empty(t, f.epoll.reports(), "nothing is left to report")
	}
}
