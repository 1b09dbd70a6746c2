package ktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/percpu"
)

// Plug takes a CPU offline, or brings it online. Package main sets it.
var Plug func(cpu int, online bool) error

// plugged is what the workers of Hotplug count.
type plugged struct {
	latest                                      atomic.Int64 // the latest time that a worker has read
	late                                        atomic.Int64 // how late a sleep ended at most, in ns
	reads, sleeps, calls, flushes, bound, spins atomic.Uint64
}

// Hotplug returns a test that takes CPUs offline and brings them online for a time. Meanwhile all
// CPUs compute, goroutines sleep, threads are bound to CPUs, each CPU calls each, pages are unmapped that
// others read, and the clock is read everywhere.
func Hotplug(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		aps := onlineCPUs()[1:]
		if len(aps) == 0 {
			return errors.New("there is no CPU besides the boot CPU")
		}
		work, cancel := context.WithCancel(ctx)
		defer cancel()
		p, n := &plugged{}, cpus()
		workers := []func() error{
			func() error { return p.readClock(work) }, func() error { return p.readClock(work) },
			func() error { return p.call(work) },
			func() error { return p.flush(work) },
			func() error { return p.bind(work, aps) },
			func() error { return spin(work, &p.spins) }, func() error { return spin(work, &p.spins) },
		}
		for range 20 * n {
			workers = append(workers, func() error { return p.sleep(work) })
		}
		done := make(chan error, 1)
		go func() {
			done <- parallel(len(workers), func(i int) error {
				err := workers[i]()
				if err != nil {
					cancel()
				}
				return err
			})
		}()
		times, err := cycle(work, aps, d)
		cancel()
		err = errors.Join(err, <-done)
		klog.Infof("hotplug: %d times offline, %d clock readings, %d sleeps (late by at most %v), %d calls, %d flushes, %d times bound", times,
			p.reads.Load(), p.sleeps.Load(), time.Duration(p.late.Load()), p.calls.Load(), p.flushes.Load(), p.bound.Load())
		if err == nil && (times == 0 || p.reads.Load() == 0 || p.sleeps.Load() == 0 || p.calls.Load() == 0) {
			err = errors.New("a kind of worker made no progress")
		}
		if err == nil {
			err = everyCPU(ctx)
		}
		return err
	}
}

// cycle takes some of the CPUs offline, at random, and brings all online again, until the time is over. It returns how often
// a CPU went offline. At the end all are online.
func cycle(ctx context.Context, aps []int, d time.Duration) (n int, err error) {
	random := rand.New(rand.NewPCG(uint64(len(aps)), 1))
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		random.Shuffle(len(aps), func(i, j int) { aps[i], aps[j] = aps[j], aps[i] })
		some := aps[:1+random.IntN(len(aps))]
		if err := kcall.MoveTimekeeper(some[0]); err != nil {
			return n, fmt.Errorf("the timekeeper does not move to cpu %d: %w", some[0], err)
		}
		for _, cpu := range some {
			if err := Plug(cpu, false); err != nil {
				return n, err
			}
			if err := state(cpu, percpu.Offline); err != nil {
				return n, err
			}
			n++
		}
		if k := kcall.KeepTime(true); slices.Contains(some, int(k.CPU)) {
			return n, fmt.Errorf("the timekeeper is cpu %d, which is offline", k.CPU)
		}
		if err := silent(some); err != nil {
			return n, err
		}
		for _, cpu := range some {
			if err := Plug(cpu, true); err != nil {
				return n, err
			}
			if err := state(cpu, percpu.Online); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// state fails if a CPU does not have a state.
func state(cpu int, want uint32) error {
	c, err := kcall.CPUInfo(cpu)
	if err == nil && c.State != want {
		err = fmt.Errorf("cpu %d has state %d, not %d", cpu, c.State, want)
	}
	return err
}

// silent fails if a CPU that is offline does anything while goroutines go on.
func silent(cpus []int) error {
	counts := func() (list [][3]uint64) {
		for _, n := range cpus {
			if c, err := kcall.CPUInfo(n); err == nil {
				list = append(list, [3]uint64{c.Ticks, c.Switches, c.Interrupts})
			}
		}
		return list
	}
	before := counts()
	kcall.CrossCall(abi.AllCPUs, abi.CallNop, 0)
	for i := range 10 {
		time.Sleep(time.Duration(i) * 100 * time.Microsecond)
	}
	for i, after := range counts() {
		if after != before[i] {
			return fmt.Errorf("cpu %d is offline; its ticks, switches and interrupts were %v, and are %v", cpus[i], before[i], after)
		}
	}
	return nil
}

// readClock reads the clock: a reading is not before the latest that any goroutine has got.
func (p *plugged) readClock(ctx context.Context) error {
	for ctx.Err() == nil {
		for range 1000 {
			before := p.latest.Load()
			now := kcall.UpTime()
			if now < before {
				return fmt.Errorf("the clock went back by %d ns on cpu %d", before-now, currentCPU())
			}
			for before < now && !p.latest.CompareAndSwap(before, now) {
				before = p.latest.Load()
			}
			p.reads.Add(1)
		}
		runtime.Gosched()
	}
	return nil
}

// sleep sleeps, never for too short a time.
func (p *plugged) sleep(ctx context.Context) error {
	for ctx.Err() == nil {
		want := time.Duration(rand.IntN(3000)) * time.Microsecond
		began := time.Now()
		if rand.IntN(2) == 0 {
			time.Sleep(want)
		} else { // blocks a thread, whose timer is in the queue of a CPU
			left := syscall.NsecToTimespec(int64(want))
			for syscall.Nanosleep(&left, &left) == syscall.EINTR {
			}
		}
		took := time.Since(began)
		if took < want {
			return fmt.Errorf("a sleep of %v ended after %v", want, took)
		}
		for late := int64(took - want); ; {
			if most := p.late.Load(); late <= most || p.late.CompareAndSwap(most, late) {
				break
			}
		}
		p.sleeps.Add(1)
	}
	return nil
}

// call calls all CPUs that are online.
func (p *plugged) call(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := kcall.CrossCall(abi.AllCPUs, abi.CallNop, 0); err != nil {
			return fmt.Errorf("a call of all CPUs: %w", err)
		}
		p.calls.Add(1)
		runtime.Gosched()
	}
	return nil
}

// flush unmaps pages that other CPUs read.
func (p *plugged) flush(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := shoot(4, 2); err != nil {
			return err
		}
		p.flushes.Add(1)
	}
	return nil
}

// bind binds a thread to a CPU, which may go offline: then the thread goes on on another one.
func (p *plugged) bind(ctx context.Context, cpus []int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer kcall.Pin(abi.AnyCPU)
	for ctx.Err() == nil {
		if err := kcall.Pin(cpus[rand.IntN(len(cpus))]); err == nil {
			p.bound.Add(1)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}
