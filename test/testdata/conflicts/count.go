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

// counts runs each of them in a window.
func counts() {
	runtime.LockOSThread()
	w := &worker{common: sharedRegion()}
	w.open()
	for n, x := range countable {
		run, prepare := x.run, x.before
		for _, p := range pairs {
			if p.name == x.do {
				run, prepare = p.do, p.prepare
			}
		}
		if prepare != nil {
			prepare(w)
		} else {
			for i := range warmUp {
				run(w, i)
			}
		}
		windowBegin()
		for i := range operations {
			begin0()
			run(w, i)
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
	fmt.Printf("conflicts: %d windows\n", len(countable))
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

func endYields(w *worker) {
	old := w.pong.v.Load()
	w.request.Store(answer)
	w.pong.wait(old)
	w.yielding.Store(0)
}
