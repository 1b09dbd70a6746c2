package main

import (
	"syscall"
	"unsafe"
)

// stripes makes n areas side by side: neighbours differ in their rights.
func stripes(n int) (base, length uintptr) {
	length = uintptr(n) * page
	base = mapRoom(length, 1)
	for i := 0; i < n; i += 2 {
		if call(syscall.SYS_MPROTECT, base+uintptr(i)*page, page, 3) < 0 {
			return base, uintptr(i) * page
		}
	}
	return base, length
}

// areas does each operation on a range of many areas.
func areas(n int) {
	base, length := stripes(n)
	vec := make([]byte, n)
	call(syscall.SYS_MINCORE, base, length, uintptr(unsafe.Pointer(&vec[0])))
	call(syscall.SYS_MADVISE, base, length, 4)
	call(syscall.SYS_MADVISE, base, length+1<<40, 4)  // ends in a hole
	call(syscall.SYS_MPROTECT, base, length+1<<40, 1) // ends in a hole
	call(syscall.SYS_MADVISE, base, length, 14)
	call(syscall.SYS_MPROTECT, base, length, 1) // joins all of them
	call(syscall.SYS_MUNMAP, base, length)

	base, length = stripes(n)
	mmap(base, length, 3, syscall.MAP_FIXED) // replaces all of them
	call(syscall.SYS_MUNMAP, base, length)

	base, length = stripes(n)
	call(25, base, length, length*2, 1) // mremap
	call(syscall.SYS_MUNMAP, base, length)
	stripes(n) // for the exit
}

// sparse has one page in each 2 MiB and one in each 1 GiB, and works on all at once.
func sparse(n int) {
	for _, step := range []uintptr{2 << 20, 1 << 30} {
		length := uintptr(n) * step
		base := mmap(0, length, 3, syscall.MAP_NORESERVE)
		for i := range uintptr(n) {
			touch(base + i*step)
		}
		call(syscall.SYS_MPROTECT, base, length, 1)
		call(syscall.SYS_MPROTECT, base, length, 3)
		call(syscall.SYS_MADVISE, base, length, 4)
		vec := mmap(0, length/page, 3, syscall.MAP_NORESERVE)
		if step < 1<<30 {
			call(syscall.SYS_MINCORE, base, length, vec)
		}
		for i := range uintptr(n) {
			touch(base + i*step)
		}
		call(syscall.SYS_MUNMAP, base, length)
		call(syscall.SYS_MUNMAP, vec, length/page)
	}
	huge := mmap(0, 1<<45, 3, syscall.MAP_NORESERVE) // nothing is present; Go puts its heap anywhere, so half of the space may not be free
	call(syscall.SYS_MPROTECT, huge, 1<<45, 1)
	call(syscall.SYS_MADVISE, huge, 1<<45, 4)
	call(syscall.SYS_MUNMAP, huge, 1<<45)
}

// resident has many pages present.
func resident(n int) {
	length := uintptr(n) * page
	base := mmap(0, length, 3, 0)
	for i := range uintptr(n) {
		touch(base + i*page)
	}
	call(syscall.SYS_MPROTECT, base, length, 1)
	call(syscall.SYS_MPROTECT, base, length, 3)
	vec := make([]byte, n)
	call(syscall.SYS_MINCORE, base, length, uintptr(unsafe.Pointer(&vec[0])))
	call(syscall.SYS_MADVISE, base, length, 4)
	for i := range uintptr(n) {
		touch(base + i*page)
	}
	mmap(base, length, 3, syscall.MAP_FIXED)
	for i := range uintptr(n) {
		touch(base + i*page)
	}
	// The rest goes at the exit.
}

// comb unmaps every second page of n.
func comb(base uintptr, n int) {
	for i := 0; i < n; i += 2 {
		call(syscall.SYS_MUNMAP, base+uintptr(i)*page, page)
	}
}

// holes leaves gaps of one page between areas, then requests areas that fit in none of them,
// and one that fits in the last. The kernel searches among these, so they are where the
// runtime's memory may come, too; what works on the whole range has one of its own.
func holes(n int) {
	length := uintptr(n) * page
	base := mapRoom(length, 1)
	comb(base, n)
	call(syscall.SYS_MMAP, base, length, 1, 0x100000|anonymous, ^uintptr(0)) // fixed, but not in place of others
	call(syscall.SYS_MADVISE, base+page, length, 4)
	call(syscall.SYS_MUNMAP, base, length)

	base = mmap(0, length, 1, 0)
	comb(base, n)
	for range 3 {
		a := mmap(0, 2*page, 3, 0)
		touch(a)
		mmap(base, 2*page, 3, 0) // the hint is taken
		mmap(0, page, 3, 0)
	}
	call(syscall.SYS_MMAP, 0, 1<<46, 1, anonymous, ^uintptr(0))
	call(syscall.SYS_MMAP, 0, 1<<47-1<<20, 1, anonymous, ^uintptr(0)) // fits nowhere
}

// lengths gives lengths that a program can name without having the memory.
func lengths(n int) {
	buf := mapRoom(uintptr(n), 3) // what lies after a buffer is filled, too
	null := uintptr(unsafe.Pointer(&make([]byte, 64)[0]))
	for _, length := range []uintptr{uintptr(n), 1 << 40, 1<<47 - 1, 1<<63 - 1, ^uintptr(0)} {
		call(318, buf, length) // getrandom
		call(318, buf, length, 1)
		call(syscall.SYS_GETCWD, buf, length)
		call(syscall.SYS_SCHED_GETAFFINITY, 0, length&^7, buf)
		call(syscall.SYS_MINCORE, buf, length, buf)
		if length <= 1<<40 || length == ^uintptr(0) { // the others would discard the runtime's memory, too
			call(syscall.SYS_MADVISE, buf, length, 4)
		}
		call(syscall.SYS_MPROTECT, buf, length, 3)
		call(7, buf, length, 0) // poll
		call(sysPpoll, buf, length, null)
		call(syscall.SYS_PREAD64, 0, buf, length)
		call(syscall.SYS_READ, 0, buf, length)
		call(syscall.SYS_READV, 0, buf, length)
		call(syscall.SYS_WRITEV, 1, buf, length)
		call(syscall.SYS_OPENAT, ^uintptr(99), buf, 0)
		call(syscall.SYS_GETDENTS64, 0, buf, length)
		call(syscall.SYS_PRCTL, 15, buf, length)
		call(syscall.SYS_EPOLL_PWAIT, 3, buf, length, 0)
		call(435, buf+1<<20, length) // clone3
	}
	call(435, buf+1<<20, 4096)
}
