package ktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
	"muster/kernel/percpu"
)

// onlineCPUs returns the numbers of the CPUs that are online.
func onlineCPUs() (list []int) {
	for n := 0; ; n++ {
		c, err := kcall.CPUInfo(n)
		if err != nil {
			return list
		}
		if c.State == percpu.Online {
			list = append(list, n)
		}
	}
}

// ledger compares the calls that were made with the calls that were run.
type ledger struct {
	cpus   []int
	before []uint64
	called []atomic.Uint64 // by index in cpus
}

func newLedger() *ledger {
	l := &ledger{cpus: onlineCPUs()}
	l.called = make([]atomic.Uint64, len(l.cpus))
	for _, n := range l.cpus {
		l.before = append(l.before, kcall.CrossCount(n))
	}
	return l
}

// check fails if a call was lost, or run twice.
func (l *ledger) check() error {
	for i, n := range l.cpus {
		if ran, want := kcall.CrossCount(n)-l.before[i], l.called[i].Load(); ran != want {
			return fmt.Errorf("cpu %d ran %d calls of %d", n, ran, want)
		}
	}
	return nil
}

// one calls the CPU with an index and returns the number of the caller.
func (l *ledger) one(i int) (from int, err error) {
	from, err = kcall.CrossCall(l.cpus[i], abi.CallCount, 1)
	if err == nil {
		l.called[i].Add(1)
	}
	return from, err
}

// all calls all CPUs.
func (l *ledger) all() error {
	if _, err := kcall.CrossCall(abi.AllCPUs, abi.CallCount, 1); err != nil {
		return err
	}
	for i := range l.called {
		l.called[i].Add(1)
	}
	return nil
}

// onEach runs f on each CPU that is online, one after the other.
func onEach(ctx context.Context, f func(cpu int) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer kcall.Pin(abi.AnyCPU)
	for _, n := range onlineCPUs() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := kcall.Pin(n); err != nil {
			return fmt.Errorf("cpu %d: %w", n, err)
		}
		if err := f(n); err != nil {
			return fmt.Errorf("on cpu %d: %w", n, err)
		}
		if now := currentCPU(); now != n {
			return fmt.Errorf("pinned to cpu %d, but runs on cpu %d", n, now)
		}
	}
	return nil
}

// perPair returns how many calls each of n CPUs makes to each in allPairs: more
// than one, which shows the order, unless there are very many pairs.
func perPair(n int) uint64 {
	if n > 300 {
		return 2
	}
	return 3
}

// allPairs makes every CPU call every CPU, itself too, with numbers: each target
// checks that the calls of each caller come in order, each once.
func allPairs(ctx context.Context) (err error) {
	if err := kcall.BeginSequences(); err != nil {
		return fmt.Errorf("no room for the numbers: %w", err)
	}
	defer func() {
		n, e := kcall.EndSequences()
		if err = errors.Join(err, e); n != 0 {
			err = errors.Join(err, fmt.Errorf("%d calls came out of order", n))
		}
	}()
	cpus := onlineCPUs()
	times := perPair(len(cpus))
	if err := onEach(ctx, func(caller int) error {
		for number := range times {
			for _, to := range cpus {
				from, err := kcall.CrossCall(to, abi.CallSequence, uint64(caller)<<32|(number+1))
				if err != nil {
					return fmt.Errorf("call of cpu %d: %w", to, err)
				}
				if from != caller {
					return fmt.Errorf("cpu %d made the call of cpu %d", from, caller)
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, to := range cpus {
		for _, caller := range cpus {
			n, err := kcall.LastSequence(to, caller)
			if err != nil {
				return fmt.Errorf("cpu %d, calls of cpu %d: %w", to, caller, err)
			}
			if uint64(n) != times {
				return fmt.Errorf("cpu %d got %d of %d calls of cpu %d", to, n, times, caller)
			}
		}
	}
	return nil
}

// disorder is the negative control of allPairs: the check must notice a number that
// is left out, and one that comes twice.
func disorder(context.Context) error {
	for name, numbers := range map[string][]uint64{"a gap": {1, 3}, "a double": {1, 1}, "none": {1, 2}} {
		if err := kcall.BeginSequences(); err != nil {
			return err
		}
		for _, n := range numbers {
			if _, err := kcall.CrossCall(0, abi.CallSequence, n); err != nil {
				return err
			}
		}
		n, err := kcall.EndSequences()
		if err != nil {
			return err
		}
		if noticed := n != 0; noticed == (name == "none") {
			return fmt.Errorf("%s in the sequence: noticed %v", name, noticed)
		}
	}
	return nil
}

// storm makes all CPUs call one or all others, without pause.
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
