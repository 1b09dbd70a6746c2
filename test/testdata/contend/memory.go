package main

import (
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// exhaust takes all memory while it makes and ends threads, unmaps what other threads
// fault in, and ends by exit_group at any moment, unless the kernel ends it first. The
// copies that run at once each have their own moment.
func exhaust() {
	debug.SetMaxThreads(1 << 20)
	copy, _ := strconv.Atoi(os.Getenv("COPY"))
	rnd := rand.New(rand.NewPCG(uint64(copy), 5))
	const slots = 64
	base, e := sys.MapRoom(slots<<20, 0) // parts of it are free at times
	if e != 0 {
		fail("mmap: errno %d", int(e))
	}
	for id := range 3 {
		go func() { // faults pages in, and takes the area away from under the other threads
			runtime.LockOSThread()
			debug.SetPanicOnFault(true)
			r := rand.New(rand.NewPCG(uint64(id), uint64(copy)))
			for {
				a := base + uintptr(r.IntN(slots))<<20
				switch r.IntN(8) {
				case 0:
					sys.Raw(syscall.SYS_MUNMAP, a, 1<<20)
				case 1:
					sys.Raw(syscall.SYS_MADVISE, a, uintptr(r.IntN(256))*page, syscall.MADV_DONTNEED)
				case 2:
					sys.Raw(syscall.SYS_MADVISE, a, 1<<20, 23) // MADV_POPULATE_WRITE
				default:
					sys.Raw(syscall.SYS_MMAP, a, 1<<20, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
					touch(a)
				}
			}
		}()
	}
	for range 2 {
		go func() { // threads that live for a moment
			for {
				done := make(chan bool)
				go func() {
					runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine
					sys.Raw(syscall.SYS_SCHED_YIELD)
					close(done)
				}()
				<-done
			}
		}()
	}
	go func() { // what the kernel keeps for the process
		b := make([]byte, 65536)
		for i := uintptr(0); ; i++ {
			r, w := pipe(nonblock)
			if r == none {
				sys.Raw(syscall.SYS_SCHED_YIELD)
				continue
			}
			sys.Raw(syscall.SYS_WRITE, w, ptr(&b[0]), 65536)
			if i%4 != 0 {
				sys.Raw(syscall.SYS_CLOSE, r)
				sys.Raw(syscall.SYS_CLOSE, w)
			}
		}
	}()
	// This thread hoards. Of three copies one goes on until the kernel ends it.
	least := 4 + rnd.IntN(30)
	for i := 0; copy%3 == 0 || i < least; i++ {
		if a, e := sys.Raw(syscall.SYS_MMAP, 0, 1<<20, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON, none, 0); e == 0 {
			touch(a)
		}
	}
	sys.Raw(syscall.SYS_EXIT_GROUP, 7)
}

// touch stores to each page of an area, as far as it is there.
func touch(a uintptr) {
	defer func() { _ = recover() }()
	for i := uintptr(0); i < 1<<20; i += page {
		at := a + i
		**(**byte)(unsafe.Pointer(&at)) = 1
	}
}
