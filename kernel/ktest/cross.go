package ktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"muster/kernel/kcall"
	"muster/kernel/percpu"
)

// running returns the numbers of the CPUs that take part.
func running() (list []int) {
	for n := 0; ; n++ {
		c, err := kcall.CPUInfo(n)
		if err != nil {
			return list
		}
		if c.State == percpu.Acknowledged {
			list = append(list, n)
		}
	}
}

// ledger compares what was called with what was run.
type ledger struct {
	cpus   []int
	before []uint64
	called []atomic.Uint64 // by index in cpus
}

func newLedger() *ledger {
	l := &ledger{cpus: running()}
	l.called = make([]atomic.Uint64, len(l.cpus))
	for _, n := range l.cpus {
		l.before = append(l.before, kcall.CallCounted(n))
	}
	return l
}

// check fails if a call was lost, or run twice.
func (l *ledger) check() error {
	for i, n := range l.cpus {
		if ran, want := kcall.CallCounted(n)-l.before[i], l.called[i].Load(); ran != want {
			return fmt.Errorf("cpu %d ran %d calls of %d", n, ran, want)
		}
	}
	return nil
}

// one calls the CPU with an index and returns the number of the caller.
func (l *ledger) one(i int) (from int, err error) {
	from, err = kcall.Call(l.cpus[i], kcall.CallCount, 1)
	if err == nil {
		l.called[i].Add(1)
	}
	return from, err
}

// all calls all CPUs.
func (l *ledger) all() error {
	if _, err := kcall.Call(kcall.AllCPUs, kcall.CallCount, 1); err != nil {
		return err
	}
	for i := range l.called {
		l.called[i].Add(1)
	}
	return nil
}

// allPairs has every CPU call every CPU, itself too.
func allPairs(ctx context.Context) error {
	l := newLedger()
	n := len(l.cpus)
	pairs := make([]atomic.Uint32, n*n)
	turn := make([]atomic.Uint32, n)
	var covered atomic.Int64
	limit := time.Minute + time.Duration(n*n)*10*time.Millisecond // an emulator takes its time
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := parallel(n, func(int) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for covered.Load() < int64(n*n) && ctx.Err() == nil {
			// Each CPU has its turn of targets; a thread that moves goes on with another's.
			to := int(turn[currentCPU()%len(turn)].Add(1)) % n
			from, err := l.one(to)
			if err != nil {
				return err
			}
			if pairs[slices.Index(l.cpus, from)*n+to].Add(1) == 1 {
				covered.Add(1)
			}
		}
		return nil
	})
	if err == nil && covered.Load() < int64(n*n) {
		return fmt.Errorf("%d of %d pairs of CPUs in %v", covered.Load(), n*n, limit)
	}
	return errors.Join(err, l.check())
}

// storm has all CPUs call one or all others, all the time.
func storm(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		l := newLedger()
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		err := parallel(2*len(l.cpus), func(int) error {
			for ctx.Err() == nil {
				var err error
				if rand.IntN(4) == 0 {
					err = l.all()
				} else {
					_, err = l.one(rand.IntN(len(l.cpus)))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		return errors.Join(err, l.check())
	}
}
