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

// visits notes on which of the CPUs that are online goroutines have run, up to a time.
type visits struct {
	limit   time.Duration
	end     time.Time
	waiting []atomic.Bool // by CPU; not for a CPU that comes online later
	left    atomic.Int64
}

func newVisits() *visits {
	list := onlineCPUs()
	n := len(list)
	v := &visits{limit: 20*time.Second + time.Duration(n)*400*time.Millisecond, waiting: make([]atomic.Bool, list[n-1]+1)} // many guest CPUs crowd an emulator's host
	v.end = time.Now().Add(v.limit)
	v.left.Store(int64(n))
	for _, cpu := range list {
		v.waiting[cpu].Store(true)
	}
	return v
}

// here notes the CPU that runs the call.
func (v *visits) here() {
	if cpu := currentCPU(); cpu < len(v.waiting) && v.waiting[cpu].CompareAndSwap(true, false) {
		v.left.Add(-1)
	}
}

// missing returns the CPUs that have not been noted.
func (v *visits) missing() (list []int) {
	for cpu := range v.waiting {
		if v.waiting[cpu].Load() {
			list = append(list, cpu)
		}
	}
	return list
}

// everyCPU makes more goroutines compute than there are CPUs, and none wait. So
// every CPU is needed, and a CPU that gets no thread is a fault of the scheduler.
func everyCPU(ctx context.Context) error {
	v := newVisits()
	ctx, cancel := context.WithDeadline(ctx, v.end)
	defer cancel()
	err := parallel(2*cpus(), func(int) error {
		for ctx.Err() == nil && v.left.Load() > 0 {
			x := uint64(1)
			for range 200_000 {
				x = x*6364136223846793005 + 1
			}
			keep(x)
			v.here()
		}
		return nil
	})
	if err == nil && v.left.Load() > 0 {
		return fmt.Errorf("within %v no goroutine ran on CPUs %v", v.limit, v.missing())
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
