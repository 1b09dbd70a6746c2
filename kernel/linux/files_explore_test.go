//go:build explore

package linux

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// world is what the CPUs of one run share: a few tasks of one process, each on a CPU
// of its own, and files.
type world struct {
	cpus  []*percpu.CPU
	tasks []*Task
	files [6]File // in one array, so that their order is the same in each run
	used  int
	out   [1024]uint64 // the program's memory
	keep  [][]byte
}

func newWorld(cpus int) *world {
	stock.freed = map[unsafe.Pointer]bool{}
	stock.files, stock.epolls, stock.pipes, stock.watches, stock.pages = nil, nil, nil, nil, nil
	percpu.Reset() // the end of a file looks at all CPUs
	w := &world{}
	p := &Process{}
	low := uintptr(unsafe.Pointer(&w.out))
	space := mem.ModelSpace(low, low+unsafe.Sizeof(w.out))
	for id := range cpus {
		t := &Task{proc: p}
		t.Space = space
		w.tasks = append(w.tasks, t)
		w.cpus = append(w.cpus, &percpu.CPU{ID: uint32(id), Current: uintptr(unsafe.Pointer(t))})
	}
	return w
}

// heap has the memory of the last space. What it points to cannot lie on a goroutine's
// stack, which moves when it grows.
var heap atomic.Pointer[byte]

// spaceOf returns a space with some bytes as the program's memory.
func spaceOf(p []byte) *mem.Space {
	heap.Store(&p[0])
	low := uintptr(unsafe.Pointer(&p[0]))
	return mem.ModelSpace(low, low+uintptr(len(p)))
}

func (w *world) file(kind fileKind) *File {
	f := &w.files[w.used]
	w.used++
	f.init(kind)
	if kind == kindEpoll {
		f.epoll = &epoll{file: f}
		f.epoll.init()
	}
	return f
}

// isFreed says that an object was freed; put it into an error if not.
func isFreed(p unsafe.Pointer) bool { return stock.freed[p] }

// must returns the first claim that does not hold as an error.
func must(claims map[string]bool) error {
	for what, holds := range claims {
		if !holds {
			return errors.New(what)
		}
	}
	return nil
}

// search runs a model with a bound of preemptions.
func search(preemptions int, setup func() ([]func(), func() error)) explore.Result {
	return searchWithin(preemptions, explore.Unbounded, setup)
}

// searchWithin is search with a bound for the soak, too.
func searchWithin(preemptions, soak int, setup func() ([]func(), func() error)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(preemptions, soak), Setup: setup})
}

// passes requires that a search finds nothing.
func passes(t *testing.T, r explore.Result) {
	t.Helper()
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// fails requires that a search finds an error.
func fails(t *testing.T, r explore.Result, pattern string) {
	t.Helper()
	require.Error(t, r.Err)
	require.Regexp(t, pattern, r.Err.Error())
	t.Log(r)
}

// used after its end, an object panics or makes a CPU wait forever.
const afterEnd = "freed twice|nil pointer|waits forever|has ended|given up twice"

// raise is how epoll once took a reference: from any count, even 0.
func raise(f *File) bool {
	(*atom.Uint32)(unsafe.Pointer(&f.refs)).Add(1)
	return true
}

// workWith is what collect does with one watch, with a next of the test's choice: under
// the locks, or the long way.
func workWith(long bool, next func(*epoll, *percpu.CPU, *int) *watch) func(*world, *epoll, *percpu.CPU) {
	return func(w *world, ep *epoll, c *percpu.CPU) {
		todo := -1
		x := next(ep, c, &todo)
		if x == nil {
			return
		}
		f, ok := x.file, false
		if !long {
			_, ok = x.takeNow(c, current(c), uintptr(unsafe.Pointer(&w.out)))
		}
		if !ok {
			x.take(c)
			x.release(c)
		}
		f.put(c)
	}
}

// collects searches a file that is closed while others collect its events, and while
// the watch is removed or the epoll closed.
func collects(preemptions int, remove, shut bool, work func(*world, *epoll, *percpu.CPU)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(4)
		f, ef := w.file(kindEvent), w.file(kindEpoll)
		f.event.n = 1
		ep := ef.epoll
		x := watchFile(w.cpus[0], ep, f, 1, epollIn)
		happens(w.cpus[0], f, pollIn)
		ef.refs.Get(w.cpus[0]) // of the collector
		programs := []func(){
			func() { f.put(w.cpus[0]) },
			func() {
				work(w, ep, w.cpus[1])
				ef.put(w.cpus[1])
			},
		}
		if remove {
			f.refs.Get(w.cpus[0])
			ef.refs.Get(w.cpus[0])
			programs = append(programs, func() {
				ep.control(w.cpus[2], f, &request{op: epollDel, fd: 1})
				f.put(w.cpus[2])
				ef.put(w.cpus[2])
			})
		}
		if shut {
			programs = append(programs, func() { ef.put(w.cpus[3]) })
		}
		return programs, func() error {
			if !shut {
				ef.put(w.cpus[3])
			}
			return must(map[string]bool{
				"file not freed":  isFreed(unsafe.Pointer(f)),
				"watch not freed": isFreed(unsafe.Pointer(x)),
				"epoll not freed": isFreed(unsafe.Pointer(ep)) && isFreed(unsafe.Pointer(ef)),
			})
		}
	})
}

// collections are the models of collectors, and their bounds.
var collections = []struct {
	preemptions  int
	remove, shut bool
}{{explore.Unbounded, false, false}, {3, false, true}, {3, true, false}, {2, true, true}}

// Closing a file, collecting its events, removing its watch and closing the epoll at
// the same time: each object is freed once, and not used afterwards.
func TestCollectAgainstClose(t *testing.T) {
	for _, m := range collections {
		t.Run(fmt.Sprint("remove ", m.remove, ", shut ", m.shut), func(t *testing.T) {
			for _, long := range []bool{false, true} {
				passes(t, collects(m.preemptions, m.remove, m.shut, workWith(long, (*epoll).next)))
			}
		})
	}
}

// Negative control: a collector that raises the count of a file that is ending.
func TestCollectRaisesFromZeroIsFound(t *testing.T) {
	for _, m := range collections {
		if m.remove {
			continue // the file ends after its watch has gone
		}
		fails(t, collects(m.preemptions, m.remove, m.shut, workWith(false, func(ep *epoll, c *percpu.CPU, _ *int) (w *watch) {
			ep.mu.Lock(c)
			if w = watchReady(ep.ready.First()); w != nil && raise(w.file) {
				w.busy++
			}
			ep.mu.Unlock(c)
			return w
		})), afterEnd)
	}
}

// Negative control: a collector that does not mark the watch on which it works.
func TestCollectorNotBusyIsFound(t *testing.T) {
	for _, m := range collections {
		if !m.remove {
			continue // the collector's references keep the watch
		}
		fails(t, collects(m.preemptions, m.remove, m.shut, func(_ *world, ep *epoll, c *percpu.CPU) {
			ep.mu.Lock(c)
			w := watchReady(ep.ready.First())
			if w == nil || !w.file.refs.TryGet() {
				ep.mu.Unlock(c)
				return
			}
			f := w.file
			ep.mu.Unlock(c)
			w.take(c)
			f.put(c)
		}), afterEnd)
	}
}

// closes searches a file and the epoll that watches it, closed at the same time.
func closes(preemptions int, clear func(*epoll, *percpu.CPU, *endings)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(2)
		f, g, ef := w.file(kindEvent), w.file(kindEvent), w.file(kindEpoll)
		ep := ef.epoll
		x := watchFile(w.cpus[0], ep, f, 1, epollIn)
		y := watchFile(w.cpus[0], ep, g, 2, epollIn)
		return []func(){
				func() {
					f.put(w.cpus[0])
					g.put(w.cpus[0])
				},
				func() {
					var e endings
					ep.mu.Lock(w.cpus[1])
					ep.file = nil
					ep.mu.Unlock(w.cpus[1])
					clear(ep, w.cpus[1], &e)
					ep.put(w.cpus[1])
					e.finish(w.cpus[1])
				},
			}, func() error {
				return must(map[string]bool{
					"file not freed":  isFreed(unsafe.Pointer(f)) && isFreed(unsafe.Pointer(g)),
					"watch not freed": isFreed(unsafe.Pointer(x)) && isFreed(unsafe.Pointer(y)),
					"epoll not freed": isFreed(unsafe.Pointer(ep)),
				})
			}
	})
}

// A watch is freed by its file's end or by its epoll's, and by one of them alone.
func TestCloseBothSides(t *testing.T) {
	passes(t, closes(4, func(ep *epoll, c *percpu.CPU, e *endings) { ep.clear(c, e) }))
}

// Negative control: the epoll's end raises the count of a file that is ending.
func TestClearRaisesFromZeroIsFound(t *testing.T) {
	fails(t, closes(3, func(ep *epoll, c *percpu.CPU, e *endings) {
		for {
			ep.mu.Lock(c)
			w := watchOfEpoll(ep.watches.Root)
			if w == nil {
				ep.mu.Unlock(c)
				return
			}
			f := w.file
			raise(f)
			ep.mu.Unlock(c)
			f.mu.Lock(c)
			ep.mu.Lock(c)
			free := ep.watches.Root == &w.ofEpoll && w.unlink(c)
			ep.mu.Unlock(c)
			f.mu.Unlock(c)
			if free {
				w.free(c)
			}
			e.put(c, f)
		}
	}), afterEnd)
}

// interrupt makes a task's waits end.
func (w *world) interrupt(c *percpu.CPU, id int) {
	w.tasks[id].Work.Or(workExit)
	sched.Unpark(c, w.tasks[id].thread())
}

// rest waits until a number has been reached, and then ends all waits. If a wake-up is
// lost, it waits forever.
func (w *world) rest(c *percpu.CPU, got *atom.Uint32, want, tasks int) {
	for got.Load() != uint32(want) {
		atom.Pause()
	}
	for id := range tasks {
		w.interrupt(c, id)
	}
}

// waits searches two tasks in epoll_wait and a task that makes files ready, until there
// were as many reports as wanted. With a signal, a task whose wait it ends may leave
// without an event.
func waits(preemptions, events int, flags uint32, reports int, signal bool, wait func(*world, int, *epoll) uint64) explore.Result {
	const waiters = 2
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(waiters + 2)
		ep := w.file(kindEpoll).epoll
		var programs []func()
		var got atom.Uint32
		for id := range waiters {
			programs = append(programs, func() {
				if n := wait(w, id, ep); n == 1 {
					got.Add(1)
				}
			})
		}
		var files []*File
		for i := range events {
			f := w.file(kindEvent)
			files = append(files, f)
			watchFile(w.cpus[0], ep, f, uint64(i), epollIn|flags)
		}
		programs = append(programs, func() {
			c := w.cpus[waiters]
			for _, f := range files {
				f.Signal(c)
			}
			if signal {
				w.interrupt(c, 0)
			}
			w.rest(c, &got, reports, waiters)
		})
		return programs, func() error { return nil }
	})
}

func epollOne(w *world, id int, ep *epoll) uint64 {
	_, n := ep.wait(w.cpus[id], w.tasks[id], uintptr(unsafe.Pointer(&w.out[id*4])), 1, clock.Never, false)
	return n
}

// No wake-up is lost: each event is reported to one task, and no task sleeps while
// there is an event, even if a signal ends the wait of the task that was woken.
func TestEpollWakesAreNotLost(t *testing.T) {
	passes(t, waits(explore.Bound(1, 2), 2, epollEdge, 2, false, epollOne))
	passes(t, waits(2, 1, epollEdge, 1, true, epollOne))
	passes(t, waits(2, 1, 0, 2, false, epollOne)) // level-triggered: both get it
}

// Negative control: a task that leaves while a file is still ready does not pass the
// wake-up on.
func TestEpollWakeNotPassedOnIsFound(t *testing.T) {
	selfish := func(w *world, id int, ep *epoll) uint64 {
		c, t := w.cpus[id], w.tasks[id]
		for {
			_, n, _ := ep.collect(c, t, uintptr(unsafe.Pointer(&w.out[id*4])), 1)
			if n > 0 || t.interrupted() {
				return n
			}
			ep.mu.Lock(c)
			if ep.nready == 0 {
				ep.waiters.wait(c, t, &ep.mu, clock.Never)
			}
			ep.mu.Unlock(c)
			if t.interrupted() { // a signal comes before what is there
				return errno(EINTR)
			}
		}
	}
	fails(t, waits(2, 1, epollEdge, 1, true, selfish), "waits forever")
	fails(t, waits(2, 1, 0, 2, false, selfish), "waits forever")
}
