package main

import (
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// oracle finds translations that are used after the kernel has taken them away. One thread
// takes pages away in each way there is, brings them back in another order, so that each gets
// a frame that another one had, and writes to each which page it is and how often that has
// happened. Threads on all CPUs read the pages meanwhile, or store to them, and now and then they sleep, so
// that a CPU goes to another thread and comes back. What they find is zero, or the page's
// own number with a count that is not older than the last removal before the look.
func oracle() {
	for _, way := range []struct {
		name   string
		remove func(base, n uintptr)
	}{
		{"madvise", func(base, n uintptr) { must(syscall.SYS_MADVISE, base, n*page, syscall.MADV_DONTNEED) }},
		{"mmap", func(base, n uintptr) {
			must(syscall.SYS_MMAP, base, n*page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
		}},
		{"munmap", func(base, n uintptr) {
			must(syscall.SYS_MUNMAP, base, n*page)
			must(syscall.SYS_MMAP, base, n*page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
		}},
		{"mremap", func(base, n uintptr) {
			const mayMove, fixed = 1, 2
			must(syscall.SYS_MREMAP, base, n*page, n*page, mayMove|fixed, base+far)
			must(syscall.SYS_MMAP, base, n*page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
			for i := range n {
				*word(base+far, i) = 1<<48 | uint64(i) // the old translation would show it
			}
			must(syscall.SYS_MUNMAP, base+far, n*page)
		}},
	} {
		for _, n := range []uintptr{1, 8, 100} {
			remaps(way.name, n, way.remove)
		}
	}
	for _, n := range []uintptr{1, 8, 100} {
		protects(n)
	}
}

const (
	far     = 64 << 20 // from the pages to where mremap moves them
	readers = 5
	perWay  = 150 * time.Millisecond
)

func must(n uintptr, args ...uintptr) uintptr {
	r, e := sys.Raw(n, args...)
	if e != 0 {
		fail("call %d: errno %d", n, int(e))
	}
	return r
}

func word(base, i uintptr) *uint64 { return (*uint64)(unsafe.Pointer(base + i*page)) }

// others runs look on threads of their own until the function that it returns is called. A
// fault in look ends that look only.
func others(look func(r *rand.Rand)) (stop func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	for id := range readers {
		wg.Go(func() {
			runtime.LockOSThread()
			debug.SetPanicOnFault(true)
			r := rand.New(rand.NewPCG(uint64(id), 3))
			try := func() {
				defer func() { _ = recover() }()
				for range 100 {
					look(r)
				}
			}
			for !over.Load() {
				try()
				if r.IntN(4) == 0 { // the CPU has nothing to do, or runs another thread
					var never uint32
					limit := syscall.Timespec{Nsec: int64(r.IntN(100_000))}
					sys.Raw(syscall.SYS_FUTEX, ptr(&never), 128, 0, ptr(&limit), 0, 0)
				}
			}
		})
	}
	return func() { over.Store(true); wg.Wait() }
}

func remaps(way string, n uintptr, remove func(base, n uintptr)) {
	base, e := sys.MapRoom(2*far, 0) // parts of it are free at times
	if e != 0 {
		fail("mmap: errno %d", int(e))
	}
	must(syscall.SYS_MMAP, base, n*page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
	var removed atomic.Uint64
	stop := others(func(r *rand.Rand) {
		i := uintptr(r.IntN(int(n)))
		since := removed.Load()
		if v := atomic.LoadUint64(word(base, i)); v != 0 && (v&0xffff != uint64(i) || v>>16 < since) {
			fail("tlb: %s: page %d of %d holds %#x after %d removals", way, i, n, v, since)
		}
	})
	r := rand.New(rand.NewPCG(1, uint64(n)))
	count := uint64(1)
	for begin := time.Now(); time.Since(begin) < perWay || count < 50; count++ {
		for _, i := range r.Perm(int(n)) {
			atomic.StoreUint64(word(base, uintptr(i)), count<<16|uint64(i))
		}
		if count%8 == 0 {
			runtime.Gosched()
		}
		remove(base, n)
		removed.Store(count + 1)
	}
	stop()
	must(syscall.SYS_MUNMAP, base, 2*far)
}

// protects takes the right to write away: no store comes after that.
func protects(n uintptr) {
	base := mapped(n*page, rw)
	stop := others(func(r *rand.Rand) {
		atomic.AddUint64(word(base, uintptr(r.IntN(int(n)))), 1)
	})
	var before [100]uint64
	count := 0
	for begin := time.Now(); time.Since(begin) < perWay || count < 50; count++ {
		must(syscall.SYS_MPROTECT, base, n*page, syscall.PROT_READ)
		for i := range n {
			before[i] = atomic.LoadUint64(word(base, i))
		}
		for range 20 {
			for i := range n {
				if v := atomic.LoadUint64(word(base, i)); v != before[i] {
					fail("tlb: mprotect: page %d of %d goes from %d to %d", i, n, before[i], v)
				}
			}
		}
		must(syscall.SYS_MPROTECT, base, n*page, rw)
		sys.Raw(syscall.SYS_SCHED_YIELD)
	}
	stop()
	must(syscall.SYS_MUNMAP, base, n*page)
}
