// Command conflicts is a program for ring 3 that runs pairs of operations which commute, one
// in each of its workers, between marks that the plugin of tools/conflicts sees. Each worker
// has its own pages, descriptors, words and threads, so the order of two operations changes no
// result, and nothing forces the kernel to share a cache line between them.
//
// It prints "window N: PAIR, M operations" for each window of the plugin's file.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

func windowBegin()
func windowEnd()

func begin0()
func begin1()
func begin2()
func begin3()
func end0()
func end1()
func end2()
func end3()

var (
	begins = [...]func(){begin0, begin1, begin2, begin3}
	ends   = [...]func(){end0, end1, end2, end3}
)

const (
	operations = 100 // of a worker in a window
	warmUp     = 10  // before it: what is made once is there
)

// word is a futex on a cache line of its own.
type word struct {
	_ [64]byte
	v atomic.Uint32
	_ [60]byte
}

func (w *word) addr() uintptr { return uintptr(unsafe.Pointer(&w.v)) }

// wait returns when the word has another value than old.
func (w *word) wait(old uint32) {
	for w.v.Load() == old {
		syscall.RawSyscall6(syscall.SYS_FUTEX, w.addr(), futexWait|futexPrivate, uintptr(old), 0, 0, 0)
	}
}

// add changes the word and wakes all threads that wait for that.
func (w *word) add() {
	w.v.Add(1)
	syscall.RawSyscall(syscall.SYS_FUTEX, w.addr(), futexWake|futexPrivate, 1<<30)
}

// The threads meet twice in a window: when all workers are ready, and when all are done.
var (
	round, ready, done word
	pair               atomic.Pointer[operation]
	start              atomic.Uint32 // the round whose operations may begin
)

// run is the thread of a worker.
func (w *worker) run() {
	runtime.LockOSThread()
	w.open()
	begin, end := begins[w.id], ends[w.id]
	for r := uint32(0); ; r++ {
		round.wait(r)
		p := pair.Load()
		if p == nil {
			return
		}
		if p.prepare != nil {
			p.prepare(w)
		} else {
			for i := range warmUp {
				p.do(w, i)
			}
		}
		ready.add()
		for start.Load() != r+1 { // the marked operations begin together
			w.cpu.Store(currentCPU())
		}
		for i := range operations {
			begin()
			p.do(w, i)
			end()
		}
		w.cpuAfter = currentCPU()
		done.add()
	}
}

// window runs one pair, and reports whether the workers were on different CPUs, at the begin and at
// the end. Threads that meet on one CPU would share nothing.
func window(p *operation, all []worker) bool {
	ready.v.Store(0)
	done.v.Store(0)
	pair.Store(p)
	round.add()
	arrived(&ready, len(all))
	for range 1000 {
		if apart(all, func(w *worker) uint32 { return w.cpu.Load() }) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	windowBegin()
	start.Add(1)
	arrived(&done, len(all))
	windowEnd()
	return apart(all, func(w *worker) uint32 { return w.cpu.Load() }) && apart(all, func(w *worker) uint32 { return w.cpuAfter })
}

// apart reports whether the workers have different CPUs.
func apart(all []worker, cpu func(*worker) uint32) bool {
	seen := map[uint32]bool{}
	for i := range all {
		seen[cpu(&all[i])] = true
	}
	return len(seen) == len(all)
}

func currentCPU() (cpu uint32) {
	syscall.RawSyscall(sysGetcpu, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	return cpu
}

func arrived(w *word, workers int) {
	for {
		n := w.v.Load()
		if int(n) == workers {
			return
		}
		w.wait(n)
	}
}

func main() {
	workers := flag.Int("workers", 2, "compare `N` workers")
	only := flag.String("pairs", "", "the `names` of pairs, with commas between; all without it")
	list := flag.Bool("list", false, "print the names of the pairs")
	count := flag.Bool("count", false, "count the instructions of operations on one CPU")
	flag.Parse()
	if *list {
		for _, p := range pairs {
			fmt.Println(p.name)
		}
		return
	}
	if *workers < 2 || *workers > len(begins) {
		fmt.Fprintf(os.Stderr, "conflicts: %d workers: 2 to %d are possible\n", *workers, len(begins))
		os.Exit(2)
	}
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(3**workers + 2) // workers and partners keep their Ps in system calls
	runtime.LockOSThread()
	if *count {
		counts()
		return
	}
	all := make([]worker, *workers)
	common := sharedRegion()
	control = pipe()
	for i := range all {
		all[i].id, all[i].common = i, common
		go all[i].run()
	}
	names := strings.Split(*only, ",")
	windows, found := 0, 0
	for i := range pairs {
		p := &pairs[i]
		if *only == "" && p.control || *only != "" && !slices.Contains(names, p.name) {
			continue
		}
		for tries := 20; !window(p, all) && tries > 0; tries-- {
			fmt.Printf("window %d: %s again\n", windows, p.name)
			windows++
		}
		fmt.Printf("window %d: %s, %d operations%s\n", windows, p.name, operations, map[bool]string{true: " of a control"}[p.control])
		windows++
		found++
		for i := range all {
			if e := syscall.Errno(all[i].failed.Swap(0)); e != 0 {
				fmt.Printf("conflicts: worker %d: %s: %v\n", i, p.name, e)
				os.Exit(1)
			}
		}
	}
	if *only != "" && found != len(names) {
		fmt.Fprintf(os.Stderr, "conflicts: %s: not all of these are pairs\n", *only)
		os.Exit(2)
	}
	fmt.Printf("conflicts: %d windows\n", windows)
}

// ownCPU returns the set of a worker's CPU. CPU 0 has no worker, unless it is the only one, on which operations are
// counted.
func ownCPU(id int) uint64 { return 1 << ((id + 1) % runtime.NumCPU()) }

// pin binds the calling thread to the CPU of a worker.
func pin(id int) {
	mask := ownCPU(id)
	if _, e := sys.Raw(syscall.SYS_SCHED_SETAFFINITY, 0, 8, uintptr(unsafe.Pointer(&mask))); e != 0 {
		fmt.Printf("conflicts: worker %d: no CPU of its own: %v\n", id, e)
		os.Exit(1)
	}
}
