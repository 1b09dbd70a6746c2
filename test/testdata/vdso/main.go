// Command vdso reads the clock by the functions of the vDSO, and compares the answers with
// those of system calls. With an argument it does one thing: "compare" does that, and prints
// the same on Linux; "across" reads in turns for some seconds, while the kernel makes another counter the clock; "pages" looks at the mapping itself; "cost" prints what a reading costs,
// in ticks of the counter.
//
// Layer: host.
// Context: Linux, and Muster's ring 3.
// Chapter: docs/06-interrupts.md.
package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

func call(fn, a, b uintptr) uintptr
func ticks() uint64
func useCalls()

//go:linkname getAuxv runtime.getAuxv
func getAuxv() []uintptr

const (
	auxVDSO  = 33
	pageSize = 4096
)

// image returns the address of the vDSO, 0 for none.
func image() uintptr {
	aux := getAuxv()
	for i := 0; i+1 < len(aux); i += 2 {
		if aux[i] == auxVDSO {
			return aux[i+1]
		}
	}
	return 0
}

func bytesAt(at uintptr, n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(at)), n) }

// functions finds the functions as a program's loader does.
func functions(at uintptr, size int) (map[string]uintptr, error) {
	f, err := elf.NewFile(bytes.NewReader(bytesAt(at, size)))
	if err != nil {
		return nil, err
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	found := map[string]uintptr{}
	for _, s := range symbols {
		if s.Version == "LINUX_2.6" {
			found[s.Name] = at + uintptr(s.Value)
		}
	}
	return found, nil
}

func main() {
	at := image()
	if at == 0 {
		fmt.Println("vdso: none")
		os.Exit(2)
	}
	size := pageSize
	if len(os.Args) > 2 { // Linux's is larger
		size *= 2
	}
	f, err := functions(at, size)
	if err != nil {
		fmt.Println("vdso:", err)
		os.Exit(1)
	}
	switch os.Args[1] {
	case "compare":
		compare(f)
	case "across":
		across(f["__vdso_clock_gettime"])
	case "pages":
		pages(at, f)
	case "cost":
		cost(f)
	}
}

// read reads a clock by a function or, if fn is 0, by the system call.
func read(fn uintptr, id int32) (ns int64, result int) {
	ts := new(syscall.Timespec)
	if fn == 0 {
		_, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(ts)), 0)
		return ts.Nano(), -int(e)
	}
	r := call(fn, uintptr(id), uintptr(unsafe.Pointer(ts)))
	return ts.Nano(), int(int32(r))
}

// between reports whether what fn reads lies between two readings by system call.
func between(fn uintptr, id int32) bool {
	for range 1000 {
		before, _ := read(0, id)
		now, _ := read(fn, id)
		after, _ := read(0, id)
		if now < before || now > after {
			fmt.Printf("clock %d: %d, then %d by the vDSO, then %d\n", id, before, now, after)
			return false
		}
	}
	return true
}

// across reads the clock by the function and by the system call for 6 s. None of the readings may be before
// the one that came before it.
func across(gettime uintptr) {
	last, _ := read(0, 1)
	for end := last + 6e9; last < end; {
		for _, fn := range []uintptr{gettime, 0} {
			now, _ := read(fn, 1)
			if now < last {
				fmt.Printf("across: %d after %d\n", now, last)
				os.Exit(1)
			}
			last = now
		}
	}
	fmt.Println("across: true")
}

func compare(f map[string]uintptr) {
	runtime.LockOSThread() // clock 3 is the thread's
	gettime := f["__vdso_clock_gettime"]
	for id := int32(-10); id < 20; id++ {
		_, want := read(0, id)
		_, got := read(gettime, id)
		fmt.Printf("clock %d: %d, by the vDSO %d\n", id, want, got)
		if want == 0 && id >= 0 && id != 5 && id != 6 { // a coarse clock of Linux is as old as its tick
			fmt.Println("between:", between(gettime, id))
		}
	}
	_, got := read(gettime, 1<<30)
	fmt.Println("clock 1<<30:", got)

	tv, zone := new(syscall.Timeval), &[2]int32{77, 77}
	before := time.Now().UnixMicro()
	r := call(f["__vdso_gettimeofday"], uintptr(unsafe.Pointer(tv)), uintptr(unsafe.Pointer(zone)))
	after := time.Now().UnixMicro()
	fmt.Println("gettimeofday:", int32(r), before <= tv.Nano()/1000 && tv.Nano()/1000 <= after, *zone)
	fmt.Println("gettimeofday without arguments:", int32(call(f["__vdso_gettimeofday"], 0, 0)))

	seconds := new(int64)
	s := int64(call(f["__vdso_time"], uintptr(unsafe.Pointer(seconds)), 0))
	fmt.Println("time:", s == *seconds, after/1e6-s <= 1 && s >= before/1e6-1)
	fmt.Println("time without an argument:", int64(call(f["__vdso_time"], 0, 0))-s <= 1)

	cpu, node := new(uint32), new(uint32)
	*node = 77
	r = call(f["__vdso_getcpu"], uintptr(unsafe.Pointer(cpu)), uintptr(unsafe.Pointer(node)))
	fmt.Println("getcpu:", int32(r), *cpu < uint32(runtime.NumCPU()), *node)
	fmt.Println("getcpu without arguments:", int32(call(f["__vdso_getcpu"], 0, 0)))
}

func cost(f map[string]uintptr) {
	gettime := f["__vdso_clock_gettime"]
	ts := new(syscall.Timespec)
	const n = 200_000 // the time in which the runtime begins and preempts is a small part of it
	for _, id := range []uintptr{0, 1, 4, 7} {
		began := ticks()
		for range n {
			call(gettime, id, uintptr(unsafe.Pointer(ts)))
		}
		fmt.Printf("cost of clock %d: %d\n", id, (ticks()-began)/n)
	}
	began := ticks()
	for range n {
		time.Now()
	}
	fmt.Printf("cost of time.Now: %d\n", (ticks()-began)/n)
}
