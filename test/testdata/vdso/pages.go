package main

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"unsafe"
)

// faults reports whether f ends in a page fault.
func faults(f func()) (did bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { did = recover() != nil }()
	f()
	return false
}

// pages tries what a program may do with the page of time data and the image after it, and
// what it may not. At the end it unmaps both.
func pages(at uintptr, f map[string]uintptr) {
	data := at - pageSize
	gettime := f["__vdso_clock_gettime"]
	tail := 0
	for _, b := range bytesAt(data+512, pageSize-512) {
		tail += int(b)
	}
	fmt.Println("sum of what is behind the time data:", tail)
	for _, p := range []uintptr{data, at} {
		fmt.Println("store faults:", faults(func() { *(*byte)(unsafe.Pointer(p)) = 1 }))
		_, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, p, 0)
		fmt.Println("system call stores:", e)
		for _, prot := range []uintptr{syscall.PROT_READ | syscall.PROT_WRITE, syscall.PROT_WRITE} {
			_, _, e = syscall.RawSyscall(syscall.SYS_MPROTECT, p, pageSize, prot)
			fmt.Println("mprotect to write:", e)
		}
		_, _, e = syscall.RawSyscall(syscall.SYS_MADVISE, p, pageSize, 4)
		fmt.Println("madvise:", e)
	}
	_, _, e := syscall.RawSyscall(syscall.SYS_MPROTECT, data, pageSize, syscall.PROT_READ|syscall.PROT_EXEC)
	fmt.Println("mprotect of the data to execute:", e)
	fmt.Println("reads again:", between(gettime, 1))

	useCalls()
	_, _, e = syscall.RawSyscall(syscall.SYS_MPROTECT, data, pageSize, syscall.PROT_NONE)
	hidden := faults(func() { _ = *(*byte)(unsafe.Pointer(data)) })
	_, _, e2 := syscall.RawSyscall(syscall.SYS_MPROTECT, data, pageSize, syscall.PROT_READ)
	fmt.Println("hidden and shown:", e, hidden, e2, between(gettime, 0))

	_, _, e = syscall.RawSyscall6(syscall.SYS_MREMAP, data, pageSize, 2*pageSize, 1, 0, 0)
	fmt.Println("mremap, larger:", e)
	_, _, e = syscall.RawSyscall6(syscall.SYS_MREMAP, at, pageSize, pageSize, 3, 0x10000000, 0)
	fmt.Println("mremap, elsewhere:", e)
	fmt.Println("reads still:", between(gettime, 7))

	// A page of the program's own in the place of the image, and then nothing.
	vec := new([2]byte)
	_, _, e = syscall.RawSyscall(syscall.SYS_MINCORE, data, 2*pageSize, uintptr(unsafe.Pointer(vec)))
	fmt.Println("mincore:", e, *vec)
	r, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, at, pageSize, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS|syscall.MAP_FIXED, ^uintptr(0), 0)
	b := bytesAt(at, pageSize)
	b[0] = 1
	fmt.Println("a page of its own there:", r == at, e, b[0], b[0x800])
	_, _, e = syscall.RawSyscall(syscall.SYS_MUNMAP, data, 2*pageSize, 0)
	fmt.Println("unmapped:", e, faults(func() { _ = *(*byte)(unsafe.Pointer(data)) }), faults(func() { b[0] = 1 }))
}
