// Package ktest runs named tests and benchmarks inside the booted kernel.
//
// Layer: service.
// Context: one goroutine at a time.
// Locks: none.
// Chapter: docs/12-shell-and-tests.md.
package ktest

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"
)

// Test is one test.
type Test struct {
	Name  string                          `json:"name"`
	About string                          `json:"about"`
	Run   func(ctx context.Context) error `json:"-"`
	Long  bool                            `json:"long"` // not run by "test" without a name

	// For makes a test that lasts for a given time; nil for other tests.
	For func(time.Duration) func(ctx context.Context) error `json:"-"`
}

// Tests lists all tests in the order in which they run.
func Tests() []Test {
	return []Test{
		{Name: "basics", About: "maps, closures, channels, fmt", Run: basics},
		{Name: "panics", About: "recovered panics: explicit, nil dereference, division, index", Run: panics},
		{Name: "timers", About: "sleep, tickers, deadlines", Run: timers},
		{Name: "manytimers", About: "100,000 timers are armed, withdrawn on other CPUs, and expire at one moment", Run: manyTimers},
		{Name: "preempt", About: "call-free loops give way with GOMAXPROCS=1", Run: preempt},
		{Name: "gc", About: "garbage collection keeps what is reachable", Run: collect},
		{Name: "sort", About: "all CPUs sort numbers and merge them", Run: func(ctx context.Context) error { return sortAll(ctx, false) }},
		{Name: "pingpong", About: "goroutines in pairs send numbers to and fro", Run: func(context.Context) error { return exchange(false) }},
		{Name: "cpus", About: "every CPU runs goroutines", Run: everyCPU},
		{Name: "vector", About: "vector registers survive preemption and migration", Run: vectorState},
		{Name: "threads", About: "blocked threads do not delay other threads", Run: blockedThreads},
		{Name: "accounts", About: "run time, wait and sleep of threads add up to the time that passes; run and idle time of a CPU, too", Run: accounts},
		{Name: "tlb", About: "no CPU sees a page that was unmapped", Run: shootdown},
		{Name: "blocks", About: "all CPUs allocate blocks of memory up to 2 MiB, no two of which overlap, and all come back", Run: blocks},
		{Name: "nodes", About: "a CPU of each NUMA node gets memory of its node, then of others, and of its own again", Run: nodes},
		{Name: "ipi", About: "every CPU calls every CPU, and the calls come in order, each once", Run: allPairs},
		{Name: "order", About: "a lost or repeated call is noticed", Run: disorder},
		{Name: "rights", About: "text and rodata are read-only, data is not executable, on every CPU", Run: rights},
		{Name: "mitigations", About: "NX, SMEP, SMAP stop accesses on every CPU, and all CPUs have the same control registers", Run: mitigations},
		{Name: "stacks", About: "every CPU records a backtrace when it gets an NMI", Run: stacks},
		{Name: "msr", About: "a register that no CPU has gives an error", Run: noMSR},
		{Name: "pointers", About: "bad pointers in system calls give EFAULT", Run: pointers},
		{Name: "clock", About: "no CPU reads a time before one that another CPU has read", Run: Monotonic(100 * time.Millisecond), For: Monotonic},
		{Name: "stress", About: "GC, preemption, nil dereferences and channels at once, for 60 s", Run: Stress(60 * time.Second), Long: true, For: Stress},
		// With nohz=off or lost IPIs the CPUs tick always, so this one and the next fail there.
		{Name: "tickless", About: "a CPU with one thread ticks seldom, and with two they take turns", Run: tickless, Long: true},
		{Name: "idle", About: "idle CPUs wake up less than twice a second, in one of some spans of 10 s", Run: idleWakes(10 * time.Second), Long: true, For: idleWakes},
		{Name: "console", About: "threads write long lines while log lines are printed; the reader sees whether each is whole", Run: wholeLines, Long: true},
		{Name: "hotplug", About: "CPUs go offline and come online, for 30 s, while all of them work", Run: Hotplug(30 * time.Second), Long: true, For: Hotplug},
		{Name: "storm", About: "all CPUs call functions on one another, for 30 s", Run: storm(30 * time.Second), Long: true, For: storm},
	}
}

// Select returns the tests with a name, or all short ones for "".
func Select(name string) (list []Test) {
	for _, t := range Tests() {
		if t.Name == name || name == "" && !t.Long {
			list = append(list, t)
		}
	}
	return list
}

// Result is the outcome of one test.
type Result struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// Run runs tests and reports each on w as it ends.
func Run(ctx context.Context, w io.Writer, tests []Test) (results []Result) {
	for _, t := range tests {
		began := time.Now()
		err := protect(ctx, t)
		r := Result{Name: t.Name, OK: err == nil, Seconds: time.Since(began).Seconds()}
		if err != nil {
			r.Error = err.Error()
			fmt.Fprintf(w, "FAIL %s (%.2f s): %v\n", t.Name, r.Seconds, err)
		} else {
			fmt.Fprintf(w, "ok   %s (%.2f s)\n", t.Name, r.Seconds)
		}
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	return results
}

// protect turns a panic of a test into its failure.
func protect(ctx context.Context, t Test) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return t.Run(ctx)
}

// parallel runs f on n goroutines and returns the first error.
func parallel(n int, f func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() {
			defer func() {
				if r := recover(); r != nil {
					errs <- fmt.Errorf("panic: %v", r)
				}
			}()
			errs <- f(i)
		}()
	}
	var first error
	for range n {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func cpus() int { return runtime.GOMAXPROCS(0) }
