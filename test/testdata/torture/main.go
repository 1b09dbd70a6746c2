// Command torture is for the scheduler. Its first argument is the act:
//
//	many N S     N threads sleep, yield, compute, and change their CPUs, nice values and policies at random for S seconds: each goes on
//	order        threads of one priority of SCHED_FIFO run in the order in which they were woken
//	hogs N C S   N threads that compute share C CPUs evenly for S seconds
//
// Layer: host.
// Context: ring 3, with as many processors of the Go runtime as threads, so that the kernel alone chooses which thread runs.
// Chapter: docs/09-scheduler.md.
package main

import (
	"fmt"
	"math/rand"
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

// Numbers of system calls, and policies.
const (
	setPriority, setScheduler, setAffinity = 141, 144, 203

	other, fifo, roundRobin = 0, 1, 2
)

// check ends the program if a call has failed.
func check(what string, e syscall.Errno) {
	if e != 0 {
		fmt.Printf("torture: %s: %v\n", what, e)
		os.Exit(1)
	}
}

func bind(set uint64) {
	s := &[1]uint64{set}
	_, e := sys.Raw(setAffinity, 0, 8, uintptr(unsafe.Pointer(s)))
	check("sched_setaffinity", e)
}

func policy(which, priority uintptr) {
	p := &[1]int32{int32(priority)}
	_, e := sys.Raw(setScheduler, 0, which, uintptr(unsafe.Pointer(p)))
	check("sched_setscheduler", e)
}

// sleep is for threads of which the Go runtime knows nothing while they wait.
func sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	p := &ts
	sys.Raw(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(p)), 0)
}

// compute is a loop without a call.
func compute(turns int, x uint64) uint64 {
	for range turns {
		x = x*6364136223846793005 + 1
	}
	return x
}

// threads starts n threads with their numbers, and returns when all run.
func threads(n int, f func(i int)) (wait func()) {
	runtime.GOMAXPROCS(n + 4)
	var begun, ended sync.WaitGroup
	for i := range n {
		begun.Add(1)
		ended.Add(1)
		go func() {
			defer ended.Done()
			runtime.LockOSThread()
			begun.Done()
			f(i)
		}()
	}
	begun.Wait()
	return ended.Wait
}

// turn is one step of a thread of many.
func turn(r *rand.Rand, cpus int) {
	switch r.Intn(16) {
	case 0, 1, 2, 3, 4, 5:
		sleep(time.Duration(r.Intn(5_000_000)))
	case 6, 7:
		sys.Raw(syscall.SYS_SCHED_YIELD)
	case 8, 9:
		bind(r.Uint64()&(1<<cpus-1) | 1<<r.Intn(cpus))
	case 10:
		_, e := sys.Raw(setPriority, 0, 0, uintptr(r.Intn(40)-20))
		check("setpriority", e)
	case 11:
		if which := uintptr(r.Intn(4)); which == fifo || which == roundRobin {
			policy(which, uintptr(1+r.Intn(99)))
			compute(1000, r.Uint64())
		} else {
			policy(which, 0)
		}
	default:
		compute(r.Intn(20_000), r.Uint64())
	}
}

// many looks once in a while whether each thread has gone on.
func many(n int, span time.Duration) {
	cpus := min(runtime.NumCPU(), 63)
	turns := make([]atomic.Uint32, n)
	var stop atomic.Bool
	wait := threads(n, func(i int) {
		for r := rand.New(rand.NewSource(int64(i))); !stop.Load(); turns[i].Add(1) {
			turn(r, cpus)
		}
		policy(other, 0) // its end is no haste
	})
	const patience = 20 * time.Second
	seen, since, longest := make([]uint32, n), make([]time.Time, n), time.Duration(0)
	began := time.Now()
	for i := range since {
		since[i] = began
	}
	for now := began; now.Sub(began) < span; now = time.Now() {
		for i := range turns {
			if v := turns[i].Load(); v != seen[i] {
				seen[i], since[i] = v, now
			}
			longest = max(longest, now.Sub(since[i]))
			if longest > patience {
				fmt.Printf("torture: thread %d has stood still for %v\n", i, longest)
				os.Exit(1)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop.Store(true)
	wait()
	sum := uint64(0)
	for i := range turns {
		sum += uint64(turns[i].Load())
	}
	fmt.Printf("torture: many: %d threads, %d turns, the longest without one %v\n", n, sum, longest.Round(time.Millisecond))
}

// order binds threads to the last CPU. The one that wakes them comes before them, so all of them are in the queue before the
// first one runs. They call nothing that allocates, or that may give way to another goroutine: the Go runtime would change the order there.
// A round counts if all threads waited when they were woken; one may have been late, if a host stops the virtual CPU.
func order() {
	const n, rounds, most = 50, 100, 1000
	const wait, wake = 128, 129
	last := uint64(1) << (min(runtime.NumCPU(), 63) - 1)
	var words [n]atomic.Uint32
	var waiting atomic.Int32
	var ran [n]int
	next := 0 // one CPU runs them all, one after the other
	var stop atomic.Bool
	millisecond := &syscall.Timespec{Nsec: 1_000_000}
	lists := make([][]int, most)
	r := rand.New(rand.NewSource(1))
	for i := range lists {
		lists[i] = r.Perm(n)
	}
	good, wrong, place := 0, -1, 0
	ended := threads(n+1, func(i int) {
		bind(last)
		if i < n {
			policy(fifo, 10)
			for v := uint32(0); ; v++ {
				waiting.Add(1)
				for words[i].Load() == v {
					syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&words[i])), wait, uintptr(v), 0, 0, 0)
				}
				if stop.Load() {
					return
				}
				ran[next] = i
				next++
			}
		}
		policy(fifo, 20)
		for round := 0; !stop.Load(); round++ {
			for waiting.Load() != n {
				syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(millisecond)), 0, 0)
			}
			syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(millisecond)), 0, 0) // the last one waits, too
			waiting.Store(0)
			next = 0
			stop.Store(good == rounds || wrong >= 0 || round == most-1)
			woken := uintptr(0)
			for _, w := range lists[round] {
				words[w].Add(1)
				k, _, _ := syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&words[w])), wake, 1, 0, 0, 0)
				woken += k
			}
			for !stop.Load() && next != n {
				syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(millisecond)), 0, 0)
			}
			if stop.Load() || woken != n {
				continue
			}
			good++
			for at, w := range lists[round] {
				if ran[at] != w {
					wrong, place = round, at
					break
				}
			}
		}
	})
	ended()
	if wrong >= 0 {
		fmt.Printf("torture: round %d: thread %d ran at place %d instead of %d\n", wrong, ran[place], place, lists[wrong][place])
		os.Exit(1)
	}
	fmt.Printf("torture: order: %d threads, %d rounds\n", n, good)
}

// hogs prints the least and the most CPU time of a thread, as parts of the mean.
func hogs(n, cpus int, span time.Duration) {
	used := make([]time.Duration, n)
	var begin, stop atomic.Bool
	cpuTime := func() time.Duration {
		u := &syscall.Rusage{}
		sys.Raw(syscall.SYS_GETRUSAGE, 1, uintptr(unsafe.Pointer(u)))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	wait := threads(n, func(i int) {
		bind(1<<cpus - 1)
		for !begin.Load() {
		}
		before := cpuTime()
		for !stop.Load() {
		}
		used[i] = cpuTime() - before
	})
	time.Sleep(200 * time.Millisecond)
	begin.Store(true)
	time.Sleep(span)
	stop.Store(true)
	wait()
	low, high, sum := used[0], used[0], time.Duration(0)
	for _, d := range used {
		low, high, sum = min(low, d), max(high, d), sum+d
	}
	part := func(d time.Duration) float64 { return float64(d) * float64(n) / float64(sum) }
	fmt.Printf("torture: hogs: %d threads on %d CPUs: %.3f to %.3f of %v\n", n, cpus, part(low), part(high), (sum / time.Duration(n)).Round(time.Millisecond))
}

func main() {
	debug.SetGCPercent(-1) // a collection would wait for all threads
	number := func(i int) int {
		n, err := strconv.Atoi(os.Args[i])
		if err != nil {
			fmt.Println("torture:", err)
			os.Exit(2)
		}
		return n
	}
	switch act := os.Args[1]; act {
	case "many":
		many(number(2), time.Duration(number(3))*time.Second)
	case "order":
		order()
	case "hogs":
		hogs(number(2), number(3), time.Duration(number(4))*time.Second)
	default:
		fmt.Println("torture: no such act:", act)
		os.Exit(2)
	}
}
