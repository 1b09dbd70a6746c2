package ktest

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/kcall"
	"muster/kernel/layout"
)

// Benchmark measures one operation: Run does it n times. Inside does so too, and
// returns its own measurement of the time.
type Benchmark struct {
	Name   string                             `json:"name"`
	About  string                             `json:"about"`
	N      int                                `json:"n"`
	CPUs   int                                `json:"cpus,omitempty"` // the number of CPUs that it needs
	Run    func(n int) error                  `json:"-"`
	Inside func(n int) (time.Duration, error) `json:"-"`
}

// time does the operation n times and returns how long that took.
func (b *Benchmark) time(n int) (time.Duration, error) {
	if b.Inside != nil {
		return b.Inside(n)
	}
	began := time.Now()
	err := b.Run(n)
	return time.Since(began), err
}

// Benchmarks lists all benchmarks.
func Benchmarks() []Benchmark {
	run := func(name, about string, n int, f func(int) error) Benchmark {
		return Benchmark{Name: name, About: about, N: n, Run: f}
	}
	core := func(name, about string, kind int) Benchmark {
		return Benchmark{Name: name, About: about, N: 20000, Inside: inCore(kind)}
	}
	return []Benchmark{
		run("Getpid", "the cheapest system call", 100000, repeat(func() { syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0) })),
		run("TimeNow", "time.Now, which makes no system call", 100000, timeNow),
		run("Yield", "sched_yield without another thread to run", 100000, repeat(func() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) })),
		run("FutexPingPong", "two threads wake each other in turn", 5000, futexPingPong),
		run("ThreadCreateJoin", "a thread is made, ends and is waited for", 500, threadCreateJoin),
		run("PageFault", "first touch of a page, and its share of unmapping", 8192, pageFault),
		{Name: "ContextSwitch", About: "from one thread to another, in the core alone", N: 20000, Inside: contextSwitch},
		run("IPIRoundTrip", "a CPU flushes its TLB on request; with one CPU, an IPI to itself", 5000, ipiRoundTrip),
		run("CallOne", "a function of the core runs on another CPU; with one CPU, on this", 5000, callOne),
		run("CallAll", "a function of the core runs on every CPU, until all have ended", 2000, callAll),
		{Name: "CallRunning", About: "a function of the core runs on a CPU that computes", N: 2000, CPUs: 2, Inside: callRunning},
		{Name: "CallHalted", About: "a function of the core runs on a CPU that was halted", N: 2000, CPUs: 2, Inside: callHalted},
		core("SendReschedule", "the sender's side of a reschedule IPI", abi.MeasureSend),
		core("HandleReschedule", "the target's side, between entry and exit of the interrupt", abi.MeasureHandle),
		core("InterruptReschedule", "the same with entry and exit", abi.MeasureInterrupt),
		core("InterruptEmpty", "an interrupt whose handler does nothing, from entry to exit", abi.MeasureEmpty),
		core("SendCall", "the caller's side of a call, for each target", abi.MeasureSendCall),
		core("HandleCall", "the target's side, between entry and exit of the interrupt", abi.MeasureHandleCall),
		{Name: "TimerArm", About: "a timer is armed while 100,000 are", N: 20000, Inside: withTimers(abi.MeasureArm)},
		{Name: "TimerCancel", About: "a timer is withdrawn while 100,000 are armed", N: 20000, Inside: withTimers(abi.MeasureCancel)},
		run("ChannelPingPong", "two goroutines exchange a value and back", 20000, channelPingPong),
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
		if b.CPUs > len(onlineCPUs()) {
			if name != "" {
				return nil, fmt.Errorf("%s takes %d CPUs", name, b.CPUs)
			}
			continue
		}
		if _, err := b.time(b.N/10 + 1); err != nil { // warm up
			return all, fmt.Errorf("%s: %w", b.Name, err)
		}
		runtime.GC()
		took, err := b.time(b.N)
		if err != nil {
			return all, fmt.Errorf("%s: %w", b.Name, err)
		}
		m := Measurement{b.Name, b.N, float64(took.Nanoseconds()) / float64(b.N), unit}
		all = append(all, m)
		fmt.Fprintf(w, "Benchmark%s\t%8d\t%12.1f %s\n", m.Name, m.N, m.Value, m.Unit)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no benchmark %q", name)
	}
	return all, nil
}

// timeNow calls time.Now, four times in a turn, because a turn costs as much as a tenth of a call.
func timeNow(n int) error {
	for i := 0; i < n; i += 4 {
		_ = time.Now()
		_ = time.Now()
		_ = time.Now()
		_ = time.Now()
	}
	return nil
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

func ipiRoundTrip(n int) error {
	for range n {
		if err := kcall.TestIPI(); err != nil {
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
