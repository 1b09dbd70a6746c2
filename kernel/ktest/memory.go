package ktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"unsafe"

	"muster/kernel/layout"
)

// shootdown rewrites pages and unmaps them while all CPUs read. A value other than
// the newest, or zero, came through a stale translation.
func shootdown(context.Context) error { return shoot(32, 100) }

// shoot does that with a number of pages, for some rounds.
func shoot(pages int, rounds uint64) error {
	m, err := syscall.Mmap(-1, 0, pages*layout.PageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer syscall.Munmap(m)
	word := func(page int) *uint64 { return (*uint64)(unsafe.Pointer(&m[page*layout.PageSize])) }
	n := cpus()
	var round, done, stale atomic.Uint64
	quit := rounds + 1
	readers := make(chan error)
	go func() {
		readers <- parallel(n, func(int) error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for last := uint64(0); ; {
				r := round.Load()
				switch r {
				case last:
					runtime.Gosched()
					continue
				case quit:
					return nil
				}
				last = r
				for p := range pages {
					if v := atomic.LoadUint64(word(p)); v != r && v != 0 {
						stale.Add(1)
					}
				}
				done.Add(1)
			}
		})
	}()
	for r := uint64(1); r <= rounds && err == nil; r++ {
		done.Store(0)
		for p := range pages {
			atomic.StoreUint64(word(p), r)
		}
		round.Store(r)
		for done.Load() != uint64(n) {
			runtime.Gosched()
		}
		err = syscall.Madvise(m, syscall.MADV_DONTNEED)
	}
	round.Store(quit)
	if e := <-readers; err == nil {
		err = e
	}
	if err == nil && stale.Load() != 0 {
		return fmt.Errorf("%d reads through stale translations", stale.Load())
	}
	return err
}

// faults reports whether f faults: the runtime turns the fault into a panic.
func faults(f func()) bool {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return caught(f) != ""
}

// call jumps to an address.
func call(addr uintptr)

// returnCode is RET, in data: it would run if data were executable.
var returnCode = [16]byte{0xc3}

// rights tries all accesses that must fault, and some that must not, on every CPU.
func rights(ctx context.Context) error {
	return onEach(ctx, func(int) error { return rightsHere() })
}

// rightsHere is rights for the CPU that runs it.
func rightsHere() error {
	im := layout.Image()
	poke := func(addr uintptr) func() {
		return func() {
			atomic.OrUint32((*uint32)(unsafe.Pointer(addr&^3)), 0)
		}
	}
	onHeap := append([]byte(nil), returnCode[:]...)
	var onStack [16]byte
	copy(onStack[:], returnCode[:])
	checks := []struct {
		what  string
		f     func()
		fault bool
	}{
		{"store to text", poke(im.TextStart), true},
		{"store to the last page of text", poke(im.TextEnd - 1), true},
		{"store to rodata", poke(im.RodataStart), true},
		{"store to the image's header", poke(im.Start), true},
		{"store to data", poke(uintptr(unsafe.Pointer(&returnCode))), false},
		{"call of data", func() { call(uintptr(unsafe.Pointer(&returnCode))) }, true},
		{"call of rodata", func() { call(im.RodataStart) }, true},
		{"call of the heap", func() { call(uintptr(unsafe.Pointer(&onHeap[0]))) }, true},
		{"call of a stack", func() { call(uintptr(unsafe.Pointer(&onStack))) }, true},
		{"call of the direct map", func() { call(layout.DirectBase + 0x100000) }, true},
		{"store to nil", poke(0), true},
		{"store to the poison area", poke(layout.Poison), true},
	}
	for page := uintptr(0); page < 1<<20; page += layout.PageSize { // one is the trampoline's
		if !faults(func() { call(page) }) {
			return fmt.Errorf("call of %#x, below 1 MiB, does not fault", page)
		}
	}
	for _, c := range checks {
		if got := faults(c.f); got != c.fault {
			return fmt.Errorf("%s: faults %v, want %v", c.what, got, c.fault)
		}
	}
	return nil
}

// pointers passes addresses to system calls that they must refuse. An error of the
// core here would be a panic of the kernel.
func pointers(context.Context) error {
	bad := []uintptr{0, 8, 1 << 20, 0x7ffffffff000, 1 << 47, 1<<63 - 8, layout.DirectBase, layout.MapBase, layout.Poison,
		layout.GoEnd - 4096, ^uintptr(0) - 4, ^uintptr(0) - 4096}
	text := layout.Image().TextStart
	calls := []struct {
		name string
		f    func(p uintptr) syscall.Errno
		want syscall.Errno
	}{
		{"write", func(p uintptr) syscall.Errno { return raw(syscall.SYS_WRITE, 1, p, 64) }, syscall.EFAULT},
		{"nanosleep", func(p uintptr) syscall.Errno { return raw(syscall.SYS_NANOSLEEP, p, 0, 0) }, syscall.EFAULT},
		{"clock_gettime", func(p uintptr) syscall.Errno { return raw(syscall.SYS_CLOCK_GETTIME, 1, p, 0) }, syscall.EFAULT},
		{"futex", func(p uintptr) syscall.Errno { return raw(syscall.SYS_FUTEX, p&^3, 128, 12345) }, syscall.EFAULT},
		{"sched_getaffinity", func(p uintptr) syscall.Errno { return raw(syscall.SYS_SCHED_GETAFFINITY, 0, 1024, p) }, syscall.EFAULT},
		{"uname", func(p uintptr) syscall.Errno { return raw(syscall.SYS_UNAME, p, 0, 0) }, syscall.EFAULT},
	}
	for _, c := range calls {
		for _, p := range bad {
			got := c.f(p)
			if got != c.want && !(c.name == "futex" && got == syscall.EAGAIN) {
				return fmt.Errorf("%s(%#x): %v, want %v", c.name, p, got, c.want)
			}
		}
	}
	if e := raw(syscall.SYS_UNAME, text, 0, 0); e != syscall.EFAULT {
		return fmt.Errorf("uname wrote to text: %v", e)
	}
	if e := raw(9999, 0, 0, 0); e != syscall.ENOSYS {
		return errors.New("an unknown system call was answered")
	}
	return nil
}

func raw(n, a, b, c uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall(n, a, b, c)
	return e
}
