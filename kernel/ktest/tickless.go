package ktest

// What CPUs do while they have nothing to do, or one thread.

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"muster/kernel/kcall"
)

// mostAlone is more ticks a second than a CPU with one thread has, in the median of aloneSpans spans.
// It would have ten, but the goroutine is locked to its thread: the runtime's monitor takes the
// goroutine's turn every 20 ms, other threads then hand it back on this CPU, and a tick follows.
// A CPU that always ticks has 100.
const (
	mostAlone  = 75
	aloneSpans = 9
)

// tickless shows that a CPU with one thread ticks seldom, and that a second thread on it gets
// its turns all the same. It uses the last CPU; with one CPU alone there is nothing to see.
func tickless(ctx context.Context) error {
	cpus := onlineCPUs()
	cpu := cpus[len(cpus)-1]
	if len(cpus) == 1 {
		return nil
	}
	var turns [2]atomic.Uint64
	var stop atomic.Bool
	errs := make(chan error, len(turns))
	defer stop.Store(true)
	spin := func(i int) {
		errs <- onOne(cpu, func() error {
			for !stop.Load() {
				turns[i].Add(1)
			}
			return nil
		})
	}
	go spin(0)
	if err := await(ctx, func() bool { return turns[0].Load() > 0 }); err != nil {
		return err
	}
	var rates []float64
	for range aloneSpans {
		rate, err := ticksOf(cpu, 200*time.Millisecond)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	slices.Sort(rates)
	go spin(1)
	for range 5 {
		a, b := turns[0].Load(), turns[1].Load()
		if err := await(ctx, func() bool { return turns[0].Load() > a && turns[1].Load() > b }); err != nil {
			return fmt.Errorf("two threads on cpu %d do not take turns: %w", cpu, err)
		}
	}
	stop.Store(true)
	for range turns {
		if err := <-errs; err != nil {
			return err
		}
	}
	if alone := rates[len(rates)/2]; alone >= mostAlone {
		return fmt.Errorf("cpu %d with one thread had %.0f ticks a second", cpu, alone)
	}
	return nil
}

// await waits for a condition.
func await(ctx context.Context, ok func() bool) error {
	for !ok() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// ticksOf returns how many ticks a second a CPU has in a span.
func ticksOf(cpu int, span time.Duration) (rate float64, err error) {
	before, err := kcall.CPUInfo(cpu)
	began := time.Now()
	if err != nil {
		return 0, err
	}
	time.Sleep(span)
	after, err := kcall.CPUInfo(cpu)
	if err != nil {
		return 0, err
	}
	return float64(after.Ticks-before.Ticks) / time.Since(began).Seconds(), nil
}

// idleTries is how many spans idleWakes looks at. What works in the background, such as the
// timekeeper, is seldom busy, but may be in one span.
const idleTries = 15

// idleWakes returns a test that sleeps for some spans of time, and shows that an idle CPU wakes up
// less than twice a second in the mean of one of them, by its own count and the guest's clock.
func idleWakes(span time.Duration) func(ctx context.Context) error {
	return func(ctx context.Context) (err error) {
		runtime.GC()
		time.Sleep(time.Second) // the runtime's monitor goes to sleep meanwhile
		rate := 2.0
		for try := 0; try < idleTries && rate >= 2 && ctx.Err() == nil; try++ {
			if rate, err = wakeRate(span); err != nil {
				return err
			}
		}
		if rate >= 2 {
			return fmt.Errorf("an idle CPU wakes up %.2f times a second", rate)
		}
		return ctx.Err()
	}
}

// wakeRate returns how often a second a CPU wakes up, in the mean of all CPUs and of a span.
func wakeRate(span time.Duration) (float64, error) {
	n := len(onlineCPUs())
	before, err := wakes(n)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	time.Sleep(span)
	after, err := wakes(n)
	return float64(after-before) / time.Since(began).Seconds() / float64(n), err
}

// wakes returns how often the CPUs have left their halt.
func wakes(n int) (sum uint64, err error) {
	for i := range n {
		c, err := kcall.CPUInfo(i)
		if err != nil {
			return 0, err
		}
		for _, w := range c.Wakes {
			sum += w
		}
	}
	return sum, nil
}
