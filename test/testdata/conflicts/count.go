package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// counted is an operation whose instructions are counted on one CPU.
type counted struct {
	name   string
	do     string                 // the pair whose operation it is, or
	run    func(w *worker, i int) // what it is
	before func(w *worker)
	after  func(w *worker)
	times  int // how often do contains what the name says
}

var countable = []counted{
	{name: "getpid", do: "getpid", times: 1},
	{name: "sched_yield", do: "sched_yield", times: 1},
	{name: "switch", times: 2, before: startYields, run: func(w *worker, _ int) { w.call(syscall.SYS_SCHED_YIELD) }, after: endYields},
	{name: "wake_and_wait", do: "futex_wake_partner", times: 2},
	{name: "page_fault", do: "page_fault", times: 1},
	{name: "madvise_touch", do: "madvise_touch", times: 1},
	{name: "mmap_munmap", do: "mmap_munmap", times: 1},
	{name: "nanosleep", do: "nanosleep", times: 1},
	{name: "eventfd", do: "eventfd", times: 2},
	{name: "pipe", do: "pipe", times: 2},
	{name: "signal_self", do: "signal_self", times: 1},
	{name: "thread_create_end", do: "thread_create_end", times: 1},
}

// ofRuntime are operations of Go's runtime, of which the kernel has a part. They come first, as long as no other thread keeps
// a P.
var ofRuntime = []counted{
	{name: "goroutine_with_thread", times: 1, run: func(*worker, int) { spawnLocked() }},
	{name: "channel_between_threads", times: 1, before: startEcho, run: func(w *worker, _ int) { echo(w) }, after: endEcho},
}

// counts runs each of them in a window.
func counts() {
	w := &worker{common: sharedRegion()}
	procs := runtime.GOMAXPROCS(1)
	for n, x := range ofRuntime {
		x.count(w, n)
	}
	runtime.GOMAXPROCS(procs)
	runtime.LockOSThread()
	w.open()
	for n, x := range countable {
		for _, p := range pairs {
			if p.name == x.do {
				x.run, x.before = p.do, p.prepare
			}
		}
		x.count(w, len(ofRuntime)+n)
	}
	fmt.Printf("conflicts: %d windows\n", len(ofRuntime)+len(countable))
}

// count runs an operation in window n.
func (x *counted) count(w *worker, n int) {
	if x.before != nil {
		x.before(w)
	} else {
		for i := range warmUp {
			x.run(w, i)
		}
	}
	windowBegin()
	for i := range operations {
		begin0()
		x.run(w, i)
		end0()
	}
	windowEnd()
	if x.after != nil {
		x.after(w)
	}
	fmt.Printf("window %d: %s, %d operations\n", n, x.name, operations*x.times)
	if e := syscall.Errno(w.failed.Load()); e != 0 {
		fmt.Printf("conflicts: %s: %v\n", x.name, e)
		os.Exit(1)
	}
}

// startYields makes the partner yield again and again, so that each yield of the worker
// switches to the partner, and each of the partner's back.
func startYields(w *worker) {
	w.request.Store(yields)
	w.ping.add()
	for w.yielding.Load() == 0 {
		w.call(syscall.SYS_SCHED_YIELD)
	}
}

// spawnLocked starts a goroutine that ends with its thread, and waits for it.
func spawnLocked() {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(done)
	}()
	<-done
}

// startEcho starts a goroutine that sends back what it receives. Both are locked to threads.
func startEcho(w *worker) {
	runtime.LockOSThread()
	there, back := make(chan int), make(chan int)
	w.echo = [2]chan int{there, back}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for n := range there {
			back <- n
		}
		close(back)
	}()
	echo(w)
}

func echo(w *worker) {
	w.echo[0] <- 1
	<-w.echo[1]
}

func endEcho(w *worker) {
	close(w.echo[0])
	<-w.echo[1]
	runtime.UnlockOSThread()
}

func endYields(w *worker) {
	old := w.pong.v.Load()
	w.request.Store(answer)
	w.pong.wait(old)
	w.yielding.Store(0)
}
