package ktest

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// sysGetcpu is a system call without a name in package syscall.
const sysGetcpu = 309

// currentCPU returns the CPU that runs the call. The goroutine may run elsewhere
// when it reads the result.
func currentCPU() int {
	cpu := new(uint32)
	syscall.RawSyscall(sysGetcpu, uintptr(unsafe.Pointer(cpu)), 0, 0)
	return int(*cpu)
}

// everyCPU makes more goroutines compute than there are CPUs, and none wait. So
// every CPU is needed, and a CPU that gets no thread is a fault of the scheduler.
func everyCPU(ctx context.Context) error {
	list := onlineCPUs()
	n := len(list)
	limit := 20*time.Second + time.Duration(n)*400*time.Millisecond // many guest CPUs crowd an emulator's host
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	waiting := make([]atomic.Bool, list[n-1]+1) // by CPU; not for a CPU that comes online later
	var left atomic.Int64
	left.Store(int64(n))
	for _, cpu := range list {
		waiting[cpu].Store(true)
	}
	err := parallel(2*n, func(int) error {
		for ctx.Err() == nil && left.Load() > 0 {
			x := uint64(1)
			for range 200_000 {
				x = x*6364136223846793005 + 1
			}
			keep(x)
			if cpu := currentCPU(); cpu < len(waiting) && waiting[cpu].CompareAndSwap(true, false) {
				left.Add(-1)
			}
		}
		return nil
	})
	if err == nil && left.Load() > 0 {
		var idle []int
		for cpu := range waiting {
			if waiting[cpu].Load() {
				idle = append(idle, cpu)
			}
		}
		return fmt.Errorf("within %v no goroutine ran on CPUs %v", limit, idle)
	}
	return err
}

// blockedThreads has many goroutines in system calls that block their threads.
func blockedThreads(context.Context) error {
	began := time.Now()
	err := parallel(32, func(int) error {
		left := syscall.Timespec{Nsec: 20e6}
		for {
			err := syscall.Nanosleep(&left, &left)
			if err != syscall.EINTR { // the garbage collector preempts by signal
				return err
			}
		}
	})
	if d := time.Since(began); err == nil && d > 10*time.Second {
		return fmt.Errorf("32 sleeps of 20 ms took %v", d)
	}
	return err
}
