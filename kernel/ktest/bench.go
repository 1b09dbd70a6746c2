package ktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/kernel/kcall"
	"muster/kernel/layout"
)

// Benchmark measures one operation: Run does it n times.
type Benchmark struct {
	Name  string            `json:"name"`
	About string            `json:"about"`
	N     int               `json:"n"`
	Run   func(n int) error `json:"-"`
}

// Benchmarks lists all benchmarks.
func Benchmarks() []Benchmark {
	return []Benchmark{
		{"Getpid", "the cheapest system call", 100000, repeat(func() { syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0) })},
		{"Yield", "sched_yield with nobody else to run", 100000, repeat(func() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) })},
		{"FutexPingPong", "two threads wake each other in turn", 5000, futexPingPong},
		{"ThreadCreateJoin", "a thread is made, ends and is waited for", 500, threadCreateJoin},
		{"PageFault", "first touch of a page, and its share of unmapping", 8192, pageFault},
		{"ContextSwitch", "from one thread to another, in the core alone", 20000, contextSwitch},
		{"IPIRoundTrip", "a CPU flushes its TLB on request; with one CPU, an IPI to itself", 5000, ipiRoundTrip},
		{"CallOne", "a function of the core runs on another CPU; with one CPU, on this", 5000, callOne},
		{"CallAll", "a function of the core runs on every CPU, and all have ended", 2000, callAll},
		{"ChannelPingPong", "two goroutines exchange a value and back", 20000, channelPingPong},
	}
}

// Measurement is the outcome of one benchmark.
type Measurement struct {
	Name  string  `json:"name"`
	N     int     `json:"n"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // "ns/op" or "insns/op"
}

// RunBenchmarks measures and prints lines in the format of Go's benchmarks. With
// counted set the clock counts instructions, as under QEMU's -icount shift=0.
func RunBenchmarks(ctx context.Context, w io.Writer, name string, counted bool) (all []Measurement, err error) {
	unit := "ns/op"
	if counted {
		unit = "insns/op"
	}
	for _, b := range Benchmarks() {
		if name != "" && b.Name != name {
			continue
		}
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if err := b.Run(b.N/10 + 1); err != nil { // warm up
			return all, fmt.Errorf("%s: %w", b.Name, err)
		}
		runtime.GC()
		began := time.Now()
		if err := b.Run(b.N); err != nil {
			return all, fmt.Errorf("%s: %w", b.Name, err)
		}
		m := Measurement{b.Name, b.N, float64(time.Since(began).Nanoseconds()) / float64(b.N), unit}
		all = append(all, m)
		fmt.Fprintf(w, "Benchmark%s\t%8d\t%12.1f %s\n", m.Name, m.N, m.Value, m.Unit)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no benchmark %q", name)
	}
	return all, nil
}

func repeat(f func()) func(int) error {
	return func(n int) error {
		for range n {
			f()
		}
		return nil
	}
}

const (
	futexWait = 128 // private
	futexWake = 129
)

func futexPingPong(n int) error {
	var word atomic.Uint32
	addr := uintptr(unsafe.Pointer(&word))
	turn := func(mine, other uint32) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for range n {
			for word.Load() != mine {
				syscall.Syscall(syscall.SYS_FUTEX, addr, futexWait, uintptr(other))
			}
			word.Store(other)
			syscall.RawSyscall(syscall.SYS_FUTEX, addr, futexWake, 1)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { turn(1, 0) })
	turn(0, 1)
	wg.Wait()
	return nil
}

// threadCreateJoin lets a goroutine end while it is locked to its thread: the
// runtime ends the thread with it.
func threadCreateJoin(n int) error {
	for range n {
		done := make(chan struct{})
		go func() { runtime.LockOSThread(); close(done) }()
		<-done
	}
	return nil
}

func pageFault(n int) error {
	m, err := syscall.Mmap(-1, 0, n*layout.PageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	for i := range n {
		m[i*layout.PageSize] = 1
	}
	return syscall.Munmap(m)
}

// contextSwitch has two threads yield to each other. With more than one CPU each
// has one to itself, and there is nothing to switch.
func contextSwitch(n int) error {
	if cpus() > 1 {
		return repeat(func() { kcall.SelfTest(kcall.TestYield) })(n)
	}
	var wg sync.WaitGroup
	var ready atomic.Uint32
	yield := func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ready.Add(1)
		for ready.Load() != 2 {
			syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
		for range n / 2 {
			syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	wg.Go(yield)
	wg.Go(yield)
	wg.Wait()
	return nil
}

func ipiRoundTrip(n int) error {
	for range n {
		if !kcall.SelfTest(kcall.TestIPI) {
			return errors.New("no answer")
		}
	}
	return nil
}

func callOne(n int) error {
	cpus := running()
	for range n {
		to := cpus[(currentCPU()+1)%len(cpus)]
		if _, err := kcall.Call(to, kcall.CallNop, 0); err != nil {
			return err
		}
	}
	return nil
}

func callAll(n int) error {
	for range n {
		if _, err := kcall.Call(kcall.AllCPUs, kcall.CallNop, 0); err != nil {
			return err
		}
	}
	return nil
}

func channelPingPong(n int) error {
	there, back := make(chan int), make(chan int)
	go func() {
		for v := range there {
			back <- v
		}
	}()
	for i := range n {
		there <- i
		<-back
	}
	close(there)
	return nil
}
