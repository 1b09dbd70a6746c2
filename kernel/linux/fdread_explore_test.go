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
		percpu.Reset()
		table := make([]uintptr, readers+1)
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
			_ = table[0]
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
