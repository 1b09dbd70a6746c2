// Command bomb makes as many objects of one kind as it can, and ends with them. The
// kernel has the same memory free then as before.
//
//	bomb threads|areas|tables|pipes|watches|timers N
//	bomb expire N       N timers by four threads, which all expire at one time
//	bomb churn N        N changes of the same areas by each of four threads, which use them, too
//	bomb pages          until memory is exhausted
//	bomb small N        needs a few pages, again and again, N times
//	bomb calls N        has the kernel make objects of each kind, N times
//	bomb fullpipes N    keeps N full pipes until the program is ended
//	bomb late N         waits while free memory changes, and then takes N MiB
//	bomb hold           waits a moment, fills pipes until memory is exhausted, and keeps them until it is ended
//	bomb queries N      is late, too, and before it takes memory makes calls N times that say ENOMEM, but need none
//
// Layer: host.
// Chapter: docs/05-memory.md.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	page = 4096
	none = ^uintptr(0)
	rw   = syscall.PROT_READ | syscall.PROT_WRITE
)

// Calls that package syscall names otherwise.
const (
	sysEventfd     = 290
	sysTimerCreate = 222
	sysTimerSet    = 223
	sysTimerDelete = 226
)

//go:uintptrescapes
func call(n uintptr, a ...uintptr) (uintptr, syscall.Errno) { return sys.Raw(n, a...) }

func mmap(n uintptr, prot uintptr) (uintptr, syscall.Errno) {
	return call(syscall.SYS_MMAP, 0, n, prot, syscall.MAP_PRIVATE|syscall.MAP_ANON, none, 0)
}

func at(addr uintptr) *byte { return *(**byte)(unsafe.Pointer(&addr)) }

// until makes objects until there is an error or there are n, and says how many.
func until(n int, make func(i int) syscall.Errno) {
	for i := range n {
		if e := make(i); e != 0 {
			fmt.Printf("bomb: %d made, then errno %d\n", i, int(e))
			return
		}
	}
	fmt.Printf("bomb: %d made\n", n)
}

// threads parks goroutines that each hold a thread.
func threads(n int) {
	debug.SetMaxThreads(1 << 20)
	var up atomic.Int64
	for range n {
		go func() {
			runtime.LockOSThread()
			up.Add(1)
			syscall.Syscall(syscall.SYS_PAUSE, 0, 0, 0)
		}()
	}
	for up.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("bomb: %d made\n", n)
}

// areas makes neighbours that differ in their rights.
func areas(n int) {
	base, e := mmap(uintptr(n)*page, syscall.PROT_READ)
	if e != 0 {
		panic(e)
	}
	until(n/2, func(i int) syscall.Errno {
		_, e := call(syscall.SYS_MPROTECT, base+uintptr(2*i)*page, page, rw)
		return e
	})
}

// tables has one page in each 2 MiB, so that every page has a page table of its own.
func tables(n int) {
	base, e := mmap(uintptr(n)<<21, rw)
	if e != 0 {
		panic(e)
	}
	until(n, func(i int) syscall.Errno {
		*at(base + uintptr(i)<<21) = 1
		return 0
	})
}

func nofile() {
	var r [2]uint64
	call(syscall.SYS_GETRLIMIT, syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&r)))
	r[0] = r[1]
	call(syscall.SYS_SETRLIMIT, syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&r)))
}

// pipes are full.
func pipes(n int) {
	nofile()
	full := make([]byte, 1<<20)
	until(n, func(int) syscall.Errno {
		var p [2]int32
		if _, e := call(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), syscall.O_NONBLOCK); e != 0 {
			return e
		}
		call(syscall.SYS_WRITE, uintptr(p[1]), uintptr(unsafe.Pointer(&full[0])), uintptr(len(full)))
		return 0
	})
}

// watches are of every file by every epoll.
func watches(n int) {
	nofile()
	var events []uintptr
	until(n, func(int) syscall.Errno {
		fd, e := call(sysEventfd, 1, syscall.O_NONBLOCK)
		if e != 0 {
			return e
		}
		events = append(events, fd)
		if len(events)%10 != 0 {
			return 0
		}
		ep, e := call(syscall.SYS_EPOLL_CREATE1, 0)
		for _, fd := range events {
			ev := syscall.EpollEvent{Events: syscall.EPOLLIN}
			call(syscall.SYS_EPOLL_CTL, ep, syscall.EPOLL_CTL_ADD, fd, uintptr(unsafe.Pointer(&ev)))
		}
		return e
	})
}

func timers(n int) {
	until(n, func(int) syscall.Errno {
		var id int32
		ev := [8]uint64{0, 1<<32 | 23} // SIGEV_NONE; SIGURG otherwise
		_, e := call(sysTimerCreate, 1, uintptr(unsafe.Pointer(&ev)), uintptr(unsafe.Pointer(&id)))
		return e
	})
}

// expire arms all timers for one time, a while after the last one is armed, and ends soon
// after it. Some signals have been taken then, and the others are pending.
func expire(n int) {
	made := make([][]int32, 4)
	var wg sync.WaitGroup
	for i := range made {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ev := [8]uint64{0, 23} // SIGEV_SIGNAL; SIGURG, for which the runtime has a handler
			for range n / len(made) {
				var id int32
				if _, e := call(sysTimerCreate, 1, uintptr(unsafe.Pointer(&ev)), uintptr(unsafe.Pointer(&id))); e != 0 {
					fmt.Println("bomb: timer_create:", e)
					os.Exit(1)
				}
				made[i] = append(made[i], id)
			}
		}()
	}
	wg.Wait()
	began := now()
	for _, ids := range made { // as a measure of how long it takes
		set(ids, began+uint64(time.Hour))
	}
	at := now() + 4*(now()-began) + uint64(10*time.Millisecond)
	for _, ids := range made {
		set(ids, at)
	}
	early := now() < at
	for now() < at+uint64(30*time.Millisecond) {
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("bomb: %d made, all armed before their time %v\n", n, early)
}

func now() uint64 {
	var t [2]uint64
	call(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)))
	return t[0]*1e9 + t[1]
}

// set arms timers for a time.
func set(ids []int32, at uint64) {
	it := [4]uint64{0, 0, at / 1e9, at % 1e9}
	for _, id := range ids {
		call(sysTimerSet, uintptr(id), 1, uintptr(unsafe.Pointer(&it)), 0) // TIMER_ABSTIME
	}
}

// churn has threads map, unmap, move, protect and discard parts of one range, while they
// read and write it, by instructions and by system calls. A page that is there has what was
// stored to it, or zeros.
func churn(n int) {
	const pages = 2048                     // several page tables
	base, e := sys.MapRoom(pages*page, rw) // the runtime maps memory meanwhile, which must not lie in a hole
	if e != 0 {
		panic(e)
	}
	var wrong, faults atomic.Int64
	var wg sync.WaitGroup
	for id := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			debug.SetPanicOnFault(true)
			r := rand.New(rand.NewPCG(uint64(id), 7))
			spare, e := sys.MapRoom(8*page, rw)
			if e != 0 {
				panic(e)
			}
			for range n {
				size := uintptr(1+r.IntN(1<<r.IntN(9))) * page
				a := base + uintptr(r.IntN(pages))*page
				size = min(size, base+pages*page-a)
				switch r.IntN(9) {
				case 0:
					call(syscall.SYS_MUNMAP, a, size)
				case 1, 2:
					call(syscall.SYS_MMAP, a, size, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
				case 3:
					call(syscall.SYS_MPROTECT, a, size, uintptr(r.IntN(4)))
				case 4:
					call(syscall.SYS_MADVISE, a, size, syscall.MADV_DONTNEED)
				case 5: // away, and to this thread's own page and back
					call(syscall.SYS_MREMAP, a, min(size, 8*page), min(size, 8*page), 3, spare)
					call(syscall.SYS_MREMAP, spare, min(size, 8*page), min(size, 8*page), 3, a)
					call(syscall.SYS_MMAP, spare, 8*page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
				case 6:
					call(syscall.SYS_MADVISE, a, size, 23) // MADV_POPULATE_WRITE
				case 7: // the kernel stores 16 bytes there
					call(syscall.SYS_CLOCK_GETTIME, 1, a+16)
				case 8:
					if got, ok := use(a); !ok {
						faults.Add(1)
					} else if got != 0 && got != uint64(a) {
						wrong.Add(1)
					}
				}
			}
		}()
	}
	wg.Wait()
	fmt.Printf("bomb: churned, wrong %d, some faults %v\n", wrong.Load(), faults.Load() > 0)
}

// use returns what is stored at an address, and stores the address there. ok is false if
// the page is not there, or may not be used.
func use(a uintptr) (got uint64, ok bool) {
	defer func() { ok = recover() == nil }()
	p := (*uint64)(unsafe.Pointer(at(a)))
	got = atomic.LoadUint64(p)
	atomic.StoreUint64(p, uint64(a))
	return got, true
}

// pages takes memory without end.
func pages() {
	for n := 0; ; n++ {
		a, e := mmap(1<<20, rw)
		if e != 0 {
			fmt.Println("bomb: mmap:", e)
			time.Sleep(time.Millisecond)
			continue
		}
		for i := uintptr(0); i < 1<<20; i += page {
			*at(a + i) = 1
		}
	}
}

// freeMemory returns the free memory, in MiB.
func freeMemory() uint64 {
	var s syscall.Sysinfo_t
	_, e := call(syscall.SYS_SYSINFO, uintptr(unsafe.Pointer(&s)))
	must("sysinfo", 0, e)
	return s.Freeram * uint64(s.Unit) >> 20
}

// late takes its memory page by page, when other programs have theirs: free memory has stayed what it is for a second.
func late(n int) {
	awaitOthers()
	take(n)
	fmt.Println("bomb: late is done")
}

func awaitOthers() {
	for was, same := uint64(0), 0; same < 10; same++ {
		if now := freeMemory(); now != was {
			was, same = now, 0
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func take(n int) {
	a, e := mmap(uintptr(n)<<20, rw)
	if e != 0 {
		panic(e)
	}
	for i := uintptr(0); i < uintptr(n)<<20; i += page {
		*at(a + i) = 1
	}
}

func main() {
	debug.SetGCPercent(-1)
	n := 1000
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	switch os.Args[1] {
	case "threads":
		threads(n)
	case "areas":
		areas(n)
	case "tables":
		tables(n)
	case "pipes":
		pipes(n)
	case "watches":
		watches(n)
	case "timers":
		timers(n)
	case "expire":
		expire(n)
	case "pages":
		pages()
	case "churn":
		churn(n)
	case "fullpipes":
		pipes(n)
		time.Sleep(time.Hour)
	case "late":
		late(n)
	case "hold":
		hold()
	case "queries":
		queries(n)
	case "small":
		small(n)
	case "calls":
		calls(n)
	}
}
