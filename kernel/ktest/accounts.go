package ktest

// What the kernel counts of the time of threads and CPUs.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

// Bounds of accounts, as parts of the time of a span. Between a reading of the clock and that of the sums a virtual CPU
// may stand still, so the smallest difference of some spans counts.
const (
	accountSpan  = 200 * time.Millisecond
	accountTries = 10
	accountApart = 0.01 // sums against the clock
	hogs         = 3
)

// tally is what the kernel has counted of a thread, and when.
type tally struct {
	at                 time.Duration
	ran, waited, slept time.Duration
}

func (t tally) since(o tally) tally {
	return tally{t.at - o.at, t.ran - o.ran, t.waited - o.waited, t.slept - o.slept}
}

// apart returns by what part of the time that has passed the sums differ from it.
func (t tally) apart() float64 {
	d := t.ran + t.waited + t.slept - t.at
	return float64(max(d, -d)) / float64(t.at)
}

// tallyOf reads the times of a thread, between two readings of the clock that are near each other.
func tallyOf(id uint32) (best tally, err error) {
	nearest := time.Duration(1 << 62)
	for range 5 {
		began := time.Now()
		t, err := kcall.Thread(id)
		after := time.Now()
		switch {
		case err != nil:
			return best, fmt.Errorf("thread %d: %w", id, err)
		case t.WaitedNS == abi.Unknown:
			return best, errApart
		}
		if d := after.Sub(began); d < nearest {
			nearest = d
			best = tally{at: began.Sub(epoch) + d/2, ran: time.Duration(t.RanNS), waited: time.Duration(t.WaitedNS), slept: time.Duration(t.SleptNS)}
		}
	}
	return best, nil
}

// epoch is a time from which others are counted.
var epoch = time.Now()

// errApart says that the CPUs' counters differ too much to measure waits.
var errApart = errors.New("the time-stamp counters of the CPUs are not the clock, so waits are not known")

// accounts compares the times that the kernel counts with the clock: on one CPU some threads compute, and one sleeps
// now and then. Of each the times on a CPU, ready and asleep add up to the time that has passed. What the first ones ran, and
// waited, is their share.
func accounts(ctx context.Context) error {
	cpus := onlineCPUs()
	cpu := cpus[len(cpus)-1]
	var stop atomic.Bool
	defer stop.Store(true)
	ids := make(chan uint32, hogs+1)
	errs := make(chan error, hogs+1)
	for i := range hogs + 1 {
		go func() {
			errs <- onOne(cpu, func() error {
				ids <- uint32(syscall.Gettid())
				for !stop.Load() {
					if i == hogs {
						time.Sleep(2 * time.Millisecond)
					}
				}
				return nil
			})
		}()
	}
	var threads []uint32
	for range hogs + 1 {
		select {
		case id := <-ids:
			threads = append(threads, id)
		case err := <-errs:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	least := 1.0
	for range accountTries {
		apart, err := oneSpan(ctx, cpu, threads)
		if errors.Is(err, errApart) {
			return nil // there is nothing to compare
		}
		if err != nil {
			return err
		}
		if least = min(least, apart); least <= accountApart {
			break
		}
	}
	if least > accountApart {
		return fmt.Errorf("in each of %d spans the times of a thread or the CPU differ from the clock by more than %.0f%%: at least by %.1f%%", accountTries, 100*accountApart, 100*least)
	}
	return nil
}

// oneSpan returns the largest part by which the times of a thread, or of the CPU, differ from those that have passed.
func oneSpan(ctx context.Context, cpu int, threads []uint32) (apart float64, err error) {
	before := make([]tally, len(threads))
	for i, id := range threads {
		if before[i], err = tallyOf(id); err != nil {
			return 0, err
		}
	}
	c, err := kcall.CPUInfo(cpu)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-time.After(accountSpan):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	d, err := kcall.CPUInfo(cpu)
	passed := time.Since(began)
	if err != nil {
		return 0, err
	}
	busy := tally{at: passed, ran: time.Duration(d.RanNS - c.RanNS), slept: time.Duration(d.IdleNS - c.IdleNS)}
	apart = busy.apart()
	var ran, waited time.Duration
	for i, id := range threads {
		now, err := tallyOf(id)
		if err != nil {
			return 0, err
		}
		span := now.since(before[i])
		apart = max(apart, span.apart())
		ran, waited = ran+span.ran, waited+span.waited
	}
	if runtime.GOMAXPROCS(0) > hogs && waited < ran/2 { // else the goroutines wait for one another
		return 0, fmt.Errorf("%d threads that compute on one CPU ran for %v and waited for %v: the others' times are missing", hogs, ran, waited)
	}
	return apart, nil
}
