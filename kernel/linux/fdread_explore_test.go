//go:build explore

package linux

import (
	"testing"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// readsMemory is what the last model's code knows by its address alone, which the garbage collector does not see.
var readsMemory struct {
	table []uintptr
	page  *slotPage
}

// reads searches CPUs that get the file of a descriptor while another one closes it, or gives it another file. The
// memory of a file that has ended is used for something else at once, in which the count is not 0.
func reads(preemptions, readers int, replace bool, get func(*fileTable, *percpu.CPU) *File, end func(*File, *percpu.CPU)) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(readers + 1)
		ft, page := newTestTableOf(w)
		old, other := w.file(kindEvent), w.file(kindEvent)
		page[0].store(slotOf(old, false))
		var reused explore.Var
		closes := func() {
			c := w.cpus[readers]
			f := old
			if replace {
				f, _ = ft.replace(c, 0, other, false)
			} else {
				ft.remove(c, 0)
			}
			if !f.refs.Put(c) {
				return
			}
			end(f, c)
			reused.Set(1)
			(*atom.Uint32)(unsafe.Pointer(&f.refs)).Store(5)
		}
		programs := []func(){}
		for i := range readers {
			programs = append(programs, func() {
				f := get(ft, w.cpus[i])
				switch {
				case f == old && reused.Get() != 0:
					panic("a file that has ended")
				case f == nil && replace:
					panic("no file, and there is one all the time")
				case f != nil && f.refs.Put(w.cpus[i]) && f == old:
					end(f, w.cpus[i])
					reused.Set(1)
					(*atom.Uint32)(unsafe.Pointer(&f.refs)).Store(5)
				}
			})
		}
		return append(programs, closes), func() error {
			return must(map[string]bool{"the old file has not ended": reused.Get() == 1})
		}
	})
}

func readFile(ft *fileTable, c *percpu.CPU) *File { return ft.get(c, 0) }

func endFile(f *File, c *percpu.CPU) { awaitReaders(c, uintptr(unsafe.Pointer(f))) }

// A descriptor is read while it is closed, or made that of another file: the reader gets a file that has not
// ended, and one of the two if there is always one.
func TestReadAgainstClose(t *testing.T) {
	for _, replace := range []bool{false, true} {
		passes(t, reads(explore.Unbounded, 1, replace, readFile, endFile))
		passes(t, reads(3, 2, replace, readFile, endFile))
	}
}

// A closer is one of two CPUs that change a descriptor.
type closer func(ft *fileTable, c *percpu.CPU) (old *File)

// changesOne searches two CPUs that change one descriptor: one gives it another file, and the other one does what it does. Each file that
// one of them takes out is its own, and what is left has the rest.
func changesOne(other closer) explore.Result {
	return search(explore.Unbounded, func() ([]func(), func() error) {
		w := newWorld(2)
		ft, page := newTestTableOf(w)
		first, second := w.file(kindEvent), w.file(kindEvent)
		page[0].store(slotOf(first, false))
		var out [2]*File
		return []func(){
				func() { out[0], _ = ft.replace(w.cpus[0], 0, second, false) },
				func() { out[1] = other(ft, w.cpus[1]) },
			}, func() error {
				got := map[*File]int{out[0]: 1}
				got[out[1]]++
				got[page[0].load().file()]++
				return must(map[string]bool{"a reference is lost, or there is one too many": got[first] == 1 && got[second] == 1})
			}
	})
}

func newTestTableOf(w *world) (*fileTable, *slotPage) {
	percpu.Reset()
	table := make([]uintptr, len(w.cpus))
	for i, c := range w.cpus {
		percpu.Register(c)
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&table[0])), uint32(len(table)))
		}
	}
	ft, page := &fileTable{}, &slotPage{}
	readsMemory.table, readsMemory.page = table, page
	ft.mu.Rank = lock.RankFile
	ft.pages[0].Store(uintptr(unsafe.Pointer(page)))
	return ft, page
}

// Of two CPUs that change a descriptor each gets the reference that the slot had when it changed it.
func TestChangeAgainstChange(t *testing.T) {
	passes(t, changesOne(func(ft *fileTable, c *percpu.CPU) *File { return ft.remove(c, 0) }))
	passes(t, changesOne(func(ft *fileTable, c *percpu.CPU) *File { ft.setFlags(c, 0, true); return nil }))
}

// Negative control: a close that looks, and then stores.
func TestChangeWithoutSwapIsFound(t *testing.T) {
	fails(t, changesOne(func(ft *fileTable, _ *percpu.CPU) *File {
		s := &ft.page(0)[0]
		f := s.load().file()
		s.store(0)
		return f
	}), "a reference is lost")
}

// lowestFree searches a CPU that opens a file by open, while another one closes descriptor 0, and a third one gives a file the
// descriptor that would be free.
func lowestFree(open func(ft *fileTable, c *percpu.CPU, f *File)) explore.Result {
	return search(4, func() ([]func(), func() error) {
		w := newWorld(3)
		ft, page := newTestTableOf(w)
		f, g, h := w.file(kindEvent), w.file(kindEvent), w.file(kindEvent)
		page[0].store(slotOf(f, false))
		page[1].store(slotOf(f, false))
		var out *File
		var busy Errno
		return []func(){
				func() { open(ft, w.cpus[0], g) },
				func() { ft.remove(w.cpus[1], 0) },
				func() { out, busy = ft.replace(w.cpus[2], 2, h, false) },
			}, func() error {
				there, low := 0, true
				if out != nil || busy == EBUSY { // g was there, or is about to be
					there++
				}
				for fd := range uint64(5) {
					s := page[fd].load()
					if s.file() != nil {
						there++
					}
					low = low && (fd >= ft.free.Load() || s != 0)
				}
				return must(map[string]bool{"a free descriptor is not found again": low, "a file is lost": there == 3})
			}
	})
}

// The search for the lowest free descriptor does not forget one that another CPU frees meanwhile, and takes none that another CPU takes.
func TestLowestFreeAgainstChange(t *testing.T) {
	passes(t, lowestFree(func(ft *fileTable, c *percpu.CPU, f *File) { ft.install(c, f, 0, false) }))
}

// Negative controls: a search that says at its end alone up to where it has been, and one that stores what it has found to be free.
func TestLowestFreeUnsaidIsFound(t *testing.T) {
	fails(t, lowestFree(func(ft *fileTable, c *percpu.CPU, f *File) {
		ft.mu.Lock(c)
		fd := ft.lowest(ft.free.Load())
		for !ft.page(0)[fd].swap(0, slotReserved) {
			fd = ft.lowest(fd + 1)
		}
		ft.free.Store(fd + 1)
		ft.mu.Unlock(c)
		ft.publish(fd, f, false)
	}), "not found again")
	fails(t, lowestFree(func(ft *fileTable, c *percpu.CPU, f *File) {
		ft.mu.Lock(c)
		free := ft.free.Load()
		ft.free.Store(maxFiles)
		fd := ft.lowest(free)
		ft.free.Store(fd + 1)
		ft.publish(fd, f, false)
		ft.mu.Unlock(c)
	}), "a file is lost")
}

// Negative control: the memory of a file is used again while a CPU reads it.
func TestNoWaitForReadersIsFound(t *testing.T) {
	fails(t, reads(explore.Unbounded, 1, false, readFile, func(*File, *percpu.CPU) {}), "a file that has ended")
}

// Negative control: a reader that does not look again.
func TestReadOnceIsFound(t *testing.T) {
	once := func(ft *fileTable, c *percpu.CPU) *File {
		f := ft.page(0)[0].load().file()
		if f == nil {
			return nil
		}
		c.Reading.Store(uintptr(unsafe.Pointer(f)))
		ok := f.refs.TryGet()
		c.Reading.Release()
		if !ok {
			return nil
		}
		return f
	}
	fails(t, reads(explore.Unbounded, 1, false, once, endFile), "a file that has ended")
}

// Negative control: a reader that looks again, and then says what it reads.
func TestLookBeforeAnnouncingIsFound(t *testing.T) {
	late := func(ft *fileTable, c *percpu.CPU) *File {
		s := &ft.page(0)[0]
		f := s.load().file()
		if f == nil || s.load().file() != f {
			return nil
		}
		c.Reading.Store(uintptr(unsafe.Pointer(f)))
		ok := f.refs.TryGet()
		c.Reading.Release()
		if !ok {
			return nil
		}
		return f
	}
	fails(t, reads(explore.Unbounded, 1, false, late, endFile), "a file that has ended")
}
