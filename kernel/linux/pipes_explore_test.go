//go:build explore

package linux

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// pipe makes a pipe with room for some pages.
func (w *world) pipe(places uint32) (p *pipe, r, x *File) {
	p, r, x = &pipe{}, w.file(kindPipeRead), w.file(kindPipeWrite)
	p.init(w.cpus[0], r, x)
	p.ring.size = places
	return p, r, x
}

// wordsAt returns n bytes of a model's memory as those of a write.
func wordsAt(p *uint64, n uint64) *source {
	s := bytesAt(uintptr(unsafe.Pointer(p)), n)
	return &s
}

// write writes n bytes to the end x of a pipe.
func (w *world) write(id int, x *File, n uint64) uint64 {
	_, r := x.writePipe(w.cpus[id], w.tasks[id], wordsAt(&w.out[0], n))
	return r
}

// read reads up to n bytes from the end r of a pipe.
func (w *world) read(id int, r *File, n uint64) uint64 {
	_, v := r.readPipe(w.cpus[id], w.tasks[id], &sink{*wordsAt(&w.out[0], n)})
	return v
}

// readLong is read of one byte by an iovec, which is not for readNow.
func (w *world) readLong(id int, r *File, to *uint64) uint64 {
	v := (*iovec)(unsafe.Pointer(&w.out[512+2*id]))
	*v = iovec{uint64(uintptr(unsafe.Pointer(to))), 1}
	_, n := r.readPipe(w.cpus[id], w.tasks[id], &sink{source{left: 1, iov: uintptr(unsafe.Pointer(v)), pieces: 1}})
	return n
}

// ends searches both ends of a pipe that are closed together, while a read or a write
// is in progress, and an epoll watches.
func ends(preemptions int, busy bool, closeEnd func(*pipe, *percpu.CPU, *File, *endings)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		p, r, x := w.pipe(1)
		end := func(id int, f *File) {
			c := w.cpus[id]
			if !f.refs.Put(c) {
				return
			}
			var e endings
			f.dropWatches(c)
			closeEnd(p, c, f, &e)
			freeFile(c, f)
			e.finish(c)
		}
		programs := []func(){func() { end(0, r) }, func() { end(1, x) }}
		if busy {
			x.refs.Get(w.cpus[0])
			programs = append(programs, func() {
				c := w.cpus[2]
				s := pipeWrite{f: x}
				s.step(c, w.tasks[2], wordsAt(&w.out[0], 8))
				s.leave(c)
				end(2, x)
			})
		}
		return programs, func() error {
			return must(map[string]bool{
				"end not freed":  isFreed(unsafe.Pointer(r)) && isFreed(unsafe.Pointer(x)),
				"pipe not freed": isFreed(unsafe.Pointer(p)),
				"page not freed": len(stock.pages) == 0 || isFreed(unsafe.Pointer(stock.pages[0])),
			})
		}
	})
}

func closeShipped(p *pipe, c *percpu.CPU, f *File, e *endings) { p.closeEnd(c, f, e) }

// Both ends close together, with a write between: the pipe, its ends and its pages are
// freed once, and no CPU touches an end that is gone.
func TestPipeEndsCloseTogether(t *testing.T) {
	passes(t, ends(explore.Bound(4, explore.Unbounded), false, closeShipped))
	passes(t, ends(2, true, closeShipped))
}

// Negative control: an end is notified after the lock was released, as it once was.
func TestPipeNotifyWithoutLockIsFound(t *testing.T) {
	unlocked := func(p *pipe, c *percpu.CPU, f *File, _ *endings) {
		p.mu.Lock(c)
		p.ends[f.end()] = nil
		other := p.ends[1-f.end()]
		p.mu.Unlock(c)
		if other != nil {
			other.mu.Lock(c)
			other.waiters.wakeOne(c)
			other.mu.Unlock(c)
		}
		if p.refs.Put(c) {
			p.free(c)
		}
	}
	fails(t, ends(3, false, unlocked), afterEnd)
	fails(t, ends(2, true, unlocked), afterEnd)
}

// readers searches two readers of an empty pipe and a writer whose bytes are enough
// for both, or for one, which a signal may end before.
func readers(preemptions, bytes int, signal bool, read func(*world, int, *File) uint64) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		_, r, x := w.pipe(2)
		var got atom.Uint32
		var programs []func()
		for id := range 2 {
			programs = append(programs, func() {
				if read(w, id, r) == 1 {
					got.Add(1)
				}
			})
		}
		programs = append(programs, func() {
			w.write(2, x, uint64(bytes))
			if signal {
				w.interrupt(w.cpus[2], 0)
			}
			w.rest(w.cpus[2], &got, bytes, 2)
		})
		return programs, func() error { return nil }
	})
}

func readOne(w *world, id int, r *File) uint64 { return w.read(id, r, 1) }

// One write wakes one reader, and the readers wake each other while there are bytes.
func TestPipeReadersWake(t *testing.T) {
	for _, read := range []func(*world, int, *File) uint64{
		readOne, func(w *world, id int, r *File) uint64 { return w.readLong(id, r, &w.out[id]) },
	} {
		passes(t, readers(explore.Bound(1, 2), 2, false, read))
		passes(t, readers(explore.Bound(1, 2), 1, true, read))
	}
}

// mixed searches reads of three bytes in a pipe: two the long way, and one under the lock.
func mixed(preemptions int, before func(*world, *pipe)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		p, r, x := w.pipe(2)
		w.out[0] = 0x030201
		w.write(0, x, 3)
		w.out = [len(w.out)]uint64{}
		read := func(id int) { w.readLong(id, r, &w.out[id]) }
		return []func(){func() { read(0) }, func() { read(1) }, func() {
				before(w, p)
				r.readPipe(w.cpus[2], w.tasks[2], &sink{*wordsAt(&w.out[2], 1)})
			}}, func() error {
				got := w.out[:3]
				if slices.Sort(got); !slices.Equal(got, []uint64{1, 2, 3}) || p.ring.bytes != 0 {
					return fmt.Errorf("reads got %v, and left %d", got, p.ring.bytes)
				}
				return nil
			}
	})
}

// Each byte is read once, whichever ways the reads go.
func TestPipeReadsMix(t *testing.T) {
	passes(t, mixed(2, func(*world, *pipe) {}))
}

// Negative control: a read under the lock that does not look whether another read copies.
func TestPipeReadTwiceIsFound(t *testing.T) {
	fails(t, mixed(2, func(w *world, p *pipe) {
		p.mu.Lock(w.cpus[2])
		p.taking = false
		p.mu.Unlock(w.cpus[2])
	}), "reads got")
}

// readSelfish is readPipe without the end that passes the wake-up on.
func readSelfish(w *world, id int, f *File) uint64 {
	c, t, p := w.cpus[id], w.tasks[id], f.pipe
	for {
		to := &sink{*wordsAt(&w.out[0], 1)}
		p.reading.Lock(c)
		_, r := p.take(c, t, to)
		p.reading.Unlock(c)
		if r != 0 {
			return r
		}
		var e Errno
		p.mu.Lock(c)
		for e == 0 && p.ready(c, f) == 0 {
			if _, e = f.wait(c, t); t.interrupted() { // a signal comes before what is there
				e = eRestart
			}
		}
		p.mu.Unlock(c)
		if e != 0 {
			return errno(e)
		}
	}
}

// Negative control: a reader that leaves bytes, or a signal, does not wake the next.
func TestPipeWakeNotPassedOnIsFound(t *testing.T) {
	fails(t, readers(2, 2, false, readSelfish), "waits forever")
	fails(t, readers(2, 1, true, readSelfish), "waits forever")
}

// writers searches two writers to a full pipe and a reader that makes room. pass says
// whether a writer that leaves wakes the next one.
func writers(preemptions int, pass bool) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		p, _, x := w.pipe(2)
		big := func(id int) {
			c, t := w.cpus[id], w.tasks[id]
			s := pipeWrite{f: x}
			s.page = allocPage(c)
			s.n = pipeBuf
			p.mu.Lock(c)
			var ch change
			s.room(c, t)
			if s.err == 0 {
				s.put(c, &ch)
			}
			p.mu.Unlock(c)
			if pass {
				s.leave(c)
			}
		}
		big(0)
		big(0)
		return []func(){
				func() { big(0) },
				func() { big(1) },
				func() {
					c := w.cpus[2]
					for range 2 {
						p.drop(c, pipeBuf, 0)
					}
				},
			}, func() error {
				if p.ring.used != 2 {
					return fmt.Errorf("%d pages in the pipe", p.ring.used)
				}
				return nil
			}
	})
}

// Two pages of room come one after the other: both writers go on.
func TestPipeWritersWake(t *testing.T) { passes(t, writers(explore.Bound(2, 3), true)) }

// Negative control: the writer that was woken does not wake the next one.
func TestPipeWriterNotPassedOnIsFound(t *testing.T) {
	fails(t, writers(3, false), "waits forever")
}

// records searches two writes of up to PIPE_BUF bytes to one pipe.
func records(write func(w *world, id int, x *File, at uintptr, n uint64)) explore.Result {
	return search(2, func() ([]func(), func() error) {
		w := newWorld(3)
		p, _, x := w.pipe(4)
		record := func(id int, mark byte, n int) {
			text := make([]byte, n)
			for i := range text {
				text[i] = mark
			}
			w.tasks[id].Space = spaceOf(text)
			write(w, id, x, uintptr(unsafe.Pointer(&text[0])), uint64(n))
			w.keep = append(w.keep, text)
		}
		return []func(){func() { record(0, 'a', 3000) }, func() { record(1, 'b', 4096) }}, func() error {
			var all []byte
			for p.ring.used > 0 {
				at, n := p.ring.first(1 << 20)
				all = append(all, unsafe.Slice((*byte)(at), n)...)
				p.ring.drop(n)
			}
			changes := 0
			for i := 1; i < len(all); i++ {
				if all[i] != all[i-1] {
					changes++
				}
			}
			if len(all) != 3000+4096 || changes != 1 {
				return fmt.Errorf("%d bytes in %d records", len(all), changes+1)
			}
			return nil
		}
	})
}

func writeRecord(w *world, id int, x *File, at uintptr, n uint64) {
	from := bytesAt(at, n)
	x.writePipe(w.cpus[id], w.tasks[id], &from)
}

// Two writes of up to PIPE_BUF bytes do not mix.
func TestPipeRecordsStayWhole(t *testing.T) { passes(t, records(writeRecord)) }

// Negative control: a write in two steps, each of which takes the lock.
func TestPipeRecordInTwoStepsIsFound(t *testing.T) {
	fails(t, records(func(w *world, id int, x *File, at uintptr, n uint64) {
		writeRecord(w, id, x, at, n/2)
		writeRecord(w, id, x, at+uintptr(n/2), n-n/2)
	}), "in [34] records")
}

// adds searches two writers to an eventfd that is full, of which only the second can go
// on after a read.
func adds(preemptions int, wake func(*waitList, *percpu.CPU)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		f := w.file(kindEvent)
		f.event.n = eventMax
		w.out[0], w.out[1] = eventMax, 1
		var got atom.Uint32
		var programs []func()
		for id := range 2 {
			programs = append(programs, func() {
				_, n := f.writeEvent(w.cpus[id], w.tasks[id], wordsAt(&w.out[id], 8))
				if n == 8 {
					got.Add(1)
				}
			})
		}
		programs = append(programs, func() {
			c := w.cpus[2]
			f.mu.Lock(c)
			f.event.n--
			wake(&f.waiters, c)
			f.mu.Unlock(c)
			w.rest(c, &got, 1, 2)
		})
		return programs, func() error { return nil }
	})
}

// wakeAll wakes every task that waits, one after the other: the first one cannot go
// on, and the second can.
func TestEventWritersWake(t *testing.T) { passes(t, adds(3, (*waitList).wakeAll)) }

// Negative control: one task is woken, and no more are due.
func TestEventWakesOneIsFound(t *testing.T) {
	fails(t, adds(2, (*waitList).wakeOne), "waits forever")
}

// opens searches a call that opens a pipe while another thread closes the descriptors
// that it will get.
func opens(preemptions int, good bool, open func(*percpu.CPU, *Task, uintptr) uint64) explore.Result {
	return searchWithin(preemptions, preemptions+1, func() ([]func(), func() error) {
		w := newWorld(2)
		p, r, x := &pipe{}, &w.files[0], &w.files[1]
		stock.files, stock.pipes = []*File{x, r}, []*pipe{p}
		ft := &w.tasks[0].proc.files
		ft.mu.Rank = newTestTable().mu.Rank
		ft.pages = newTestTable().pages
		out := uintptr(unsafe.Pointer(&w.out))
		if !good {
			out = 16
		}
		closeAt := func(id int, fd uint64) {
			if f := ft.remove(w.cpus[id], fd); f != nil {
				f.put(w.cpus[id])
			}
		}
		return []func(){
				func() { open(w.cpus[0], w.tasks[0], out) },
				func() {
					closeAt(1, 0)
					closeAt(1, 1)
				},
			}, func() error {
				closeAt(0, 0)
				closeAt(0, 1)
				return must(map[string]bool{
					"end not freed":  isFreed(unsafe.Pointer(r)) && isFreed(unsafe.Pointer(x)),
					"pipe not freed": isFreed(unsafe.Pointer(p)),
				})
			}
	})
}

// A pipe is published last: another thread may close its descriptors at any time. The locks of the table
// and of both files have too many steps for a search without a bound.
func TestPipeIsPublishedLast(t *testing.T) {
	for _, good := range []bool{true, false} {
		passes(t, opens(4, good, func(c *percpu.CPU, t *Task, out uintptr) uint64 {
			_, r := makePipe(c, t, out, 0)
			return r
		}))
	}
}

// Negative control: the ends are in the table while their numbers are stored, and
// are taken out again if the program's memory is bad.
func TestPipePublishedFirstIsFound(t *testing.T) {
	fails(t, opens(3, false, func(c *percpu.CPU, t *Task, out uintptr) uint64 {
		p := t.newPipe(c, 0)
		r, x := p.ends[readEnd], p.ends[writeEnd]
		ft := &t.proc.files
		rfd, _ := ft.install(c, r, 0, false)
		wfd, _ := ft.install(c, x, 0, false)
		if !t.Space.Store64(c, out, rfd|wfd<<32) {
			ft.remove(c, rfd)
			ft.remove(c, wfd)
			r.put(c)
			x.put(c)
			return errno(EFAULT)
		}
		return 0
	}), afterEnd)
}
