// Command vmprobe prints what the kernel answers to system calls about memory, right
// and wrong ones, a line each. Its output is the same on Linux and on Muster: answers
// that differ between two versions of Linux, or with its configuration, are left out.
//
// Layer: host.
// Chapter: docs/05-memory.md.
package main

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const page = 4096

// Numbers of system calls, flags and errors that package syscall lacks.
const (
	sysMlock2         = 325
	sysGetrandom      = 318
	mapFixedNoReplace = 0x100000
	anon              = syscall.MAP_PRIVATE | syscall.MAP_ANON
	rw                = syscall.PROT_READ | syscall.PROT_WRITE
	none              = ^uintptr(0)
)

//go:uintptrescapes
func call(n uintptr, a ...uintptr) (uintptr, syscall.Errno) { return sys.Call(n, a...) }

func mmap(addr, n uintptr, prot, flags int) (uintptr, syscall.Errno) {
	return call(syscall.SYS_MMAP, addr, n, uintptr(prot), uintptr(flags), none, 0)
}

// area maps n pages, read-write, where a hole of it stays a hole.
func area(n uintptr) uintptr {
	a, e := sys.MapRoom(n*page, rw)
	if e != 0 {
		panic(e)
	}
	return a
}

// errors prints the error of each call on a line.
func errors(what string, number uintptr, lists ...[]uintptr) {
	for i, a := range lists {
		_, e := call(number, a...)
		fmt.Printf("%s %d: %v\n", what, i, e)
	}
}

// works reports whether a byte can be read and written, without a signal to the program.
func works(addr uintptr) string {
	var ends [2]int
	if syscall.Pipe(ends[:]) != nil {
		return "no pipe"
	}
	defer syscall.Close(ends[0])
	defer syscall.Close(ends[1])
	_, e := call(syscall.SYS_WRITE, uintptr(ends[1]), addr, 1)
	if e != 0 {
		return "no"
	}
	if _, e := call(syscall.SYS_READ, uintptr(ends[0]), addr, 1); e != 0 {
		return "read"
	}
	return "read, write"
}

// resident returns what mincore says about n pages.
func resident(addr uintptr, n int) string {
	vec := make([]byte, n+1)
	vec[n] = 0x55
	_, e := call(syscall.SYS_MINCORE, addr, uintptr(n*page), uintptr(unsafe.Pointer(&vec[0])))
	return fmt.Sprint(vec, e)
}

func at(addr uintptr) *byte { return *(**byte)(unsafe.Pointer(&addr)) }

func main() {
	debug.SetGCPercent(-1)
	maps()
	rooms()
	unmaps()
	protects()
	advises()
	cores()
	locks()
	remaps()
	breaks()
	randoms()
}

func maps() {
	a := area(8)
	errors("mmap", syscall.SYS_MMAP,
		[]uintptr{0, 0, rw, anon, none, 0},
		[]uintptr{0, page, rw, syscall.MAP_ANON, none, 0},                          // neither shared nor private
		[]uintptr{0, page, rw, syscall.MAP_ANON | 0xf, none, 0},                    // a type that does not exist
		[]uintptr{0, page, rw, syscall.MAP_ANON | syscall.MAP_SHARED, none, 0},     //
		[]uintptr{0, page, rw, anon, none, 1},                                      // odd offset
		[]uintptr{0, page, rw, syscall.MAP_PRIVATE, none, 0},                       // no file
		[]uintptr{0, none, rw, anon, none, 0},                                      // wraps
		[]uintptr{0, none &^ (page - 1), rw, anon, none, 0},                        //
		[]uintptr{0, 1 << 47, rw, anon, none, 0},                                   // more than there is
		[]uintptr{1, page, rw, anon | syscall.MAP_FIXED, none, 0},                  // odd address
		[]uintptr{a + 1, page, rw, anon | mapFixedNoReplace, none, 0},              //
		[]uintptr{a, page, rw, anon | mapFixedNoReplace, none, 0},                  // occupied
		[]uintptr{a, page, rw, syscall.MAP_ANON | mapFixedNoReplace, none, 0},      // and of no type
		[]uintptr{1 << 47, page, rw, anon | syscall.MAP_FIXED, none, 0},            // beyond the end
		[]uintptr{1<<47 - page, page, rw, anon | syscall.MAP_FIXED, none, 0},       //
		[]uintptr{none &^ (page - 1), page, rw, anon | syscall.MAP_FIXED, none, 0}, //
		[]uintptr{0, page, 0xfffff8, anon, none, 0},                                // unknown rights
	)
	free := sys.Room(4 * page)
	got, e := mmap(free, 4*page, rw, anon|mapFixedNoReplace)
	fmt.Println("mmap where it is free:", got == free, e)
	got, e = mmap(free+123, page, rw, anon)
	fmt.Println("mmap with a hint that is occupied:", got == free, e)
	call(syscall.SYS_MUNMAP, free, 4*page)
	got, e = mmap(free+123, page, rw, anon)
	fmt.Println("mmap with an odd hint:", got == free, e)
	*at(a + page) = 7
	got, e = mmap(a+page, page, rw, anon|syscall.MAP_FIXED)
	fmt.Println("mmap over a page:", got == a+page, e, *at(a + page))
	got, e = mmap(0, page, rw, anon|syscall.MAP_32BIT)
	fmt.Println("mmap MAP_32BIT:", got < 1<<31, e)
	got, e = mmap(0, 3*page, rw, anon|syscall.MAP_POPULATE)
	fmt.Println("mmap MAP_POPULATE:", resident(got, 3), e)
}

// rooms looks whether a mapping whose address the kernel chooses comes to lie in a hole of a
// range from sys.MapRoom.
func rooms() {
	const pages, hole = 512, 256
	a, e := sys.MapRoom(pages*page, rw)
	if e != 0 {
		panic(e)
	}
	call(syscall.SYS_MUNMAP, a+(pages-hole)/2*page, hole*page)
	inside := false
	for n := range uintptr(hole) {
		got, e := mmap(0, (1+n)*page, rw, anon)
		inside = inside || e != 0 || got >= a && got < a+pages*page
	}
	fmt.Println("mmap without an address in a room:", inside)
}

func unmaps() {
	a := area(8)
	errors("munmap", syscall.SYS_MUNMAP,
		[]uintptr{a, 0}, []uintptr{a + 1, page}, []uintptr{a, none}, []uintptr{a, none &^ (page - 1)},
		[]uintptr{1 << 47, page}, []uintptr{1<<47 - page, page}, []uintptr{1 << 46, 1 << 46},
		[]uintptr{a + page, 1}, []uintptr{a + page, page}, []uintptr{a + 3*page, 2*page - 1})
	for i := range uintptr(8) {
		fmt.Printf("munmap: page %d: %s\n", i, works(a+i*page))
	}
}

func protects() {
	a := area(8)
	call(syscall.SYS_MUNMAP, a+4*page, page)
	const down, up = 0x01000000, 0x02000000
	errors("mprotect", syscall.SYS_MPROTECT,
		[]uintptr{a, 0, 1}, []uintptr{a + 1, 0, 1}, []uintptr{a + 1, page, 1}, []uintptr{a, none, 1}, []uintptr{a, none, 0x10},
		[]uintptr{a, page, 0x10}, []uintptr{a, 0, 0x10}, []uintptr{a, page, 8 | 1}, []uintptr{a, page, down | up | 1},
		[]uintptr{a, page, down | 1}, []uintptr{a, page, up | 1}, []uintptr{a + 4*page, page, down | 1}, []uintptr{a + 4*page, page, 1},
		[]uintptr{a + 2*page, 4 * page, 1}, []uintptr{1 << 47, page, 1}, []uintptr{a, page, 1 << 40})
	for i := range uintptr(8) {
		fmt.Printf("mprotect: page %d: %s\n", i, works(a+i*page))
	}
	call(syscall.SYS_MPROTECT, a+5*page, 2*page, 0)
	for i := range uintptr(3) {
		fmt.Printf("mprotect: page %d: %s\n", 5+i, works(a+(5+i)*page))
	}
	*at(a + 7*page) = 9
	call(syscall.SYS_MPROTECT, a+7*page, page, 0)
	call(syscall.SYS_MPROTECT, a+7*page, page, rw)
	fmt.Println("mprotect keeps contents:", *at(a + 7*page))
}

func advises() {
	a := area(8)
	call(syscall.SYS_MUNMAP, a+4*page, page)
	for advice := range uintptr(30) {
		if advice == 12 || advice == 13 || advice == 9 || advice == 25 { // a matter of configuration
			continue
		}
		errors(fmt.Sprint("madvise ", advice, ":"), syscall.SYS_MADVISE,
			[]uintptr{a, 2 * page, advice}, []uintptr{a, 8 * page, advice}, []uintptr{a + 1, page, advice},
			[]uintptr{a, 0, advice}, []uintptr{a, none, advice}, []uintptr{a, 1, advice})
	}
	errors("madvise unknown:", syscall.SYS_MADVISE, []uintptr{a, page, 99}, []uintptr{a, 0, 99}, []uintptr{a, page, 1 << 20})
	for i := range uintptr(8) {
		if i != 4 {
			*at(a + i*page) = byte(1 + i)
		}
	}
	errors("madvise across a hole", syscall.SYS_MADVISE, []uintptr{a + 2*page, 5 * page, syscall.MADV_DONTNEED})
	for i := range uintptr(8) {
		if i != 4 {
			fmt.Printf("madvise: page %d has %d\n", i, *at(a + i*page))
		}
	}
	call(syscall.SYS_MPROTECT, a, page, syscall.PROT_READ)
	call(syscall.SYS_MPROTECT, a+page, page, syscall.PROT_NONE)
	errors("madvise populate", syscall.SYS_MADVISE, []uintptr{a, page, 22}, []uintptr{a, page, 23}, []uintptr{a + page, page, 22}, []uintptr{a + 3*page, 2 * page, 23})
}

func cores() {
	a := area(8)
	call(syscall.SYS_MUNMAP, a+4*page, page)
	*at(a + 2*page) = 1
	*at(a + 7*page) = 1
	fmt.Println("mincore:", resident(a, 4))
	fmt.Println("mincore over a hole:", resident(a, 8))
	fmt.Println("mincore after it:", resident(a+5*page, 3))
	var vec [8]byte
	v := uintptr(unsafe.Pointer(&vec))
	errors("mincore", syscall.SYS_MINCORE, []uintptr{a, 0, v}, []uintptr{a + 1, page, v}, []uintptr{a, page, 8}, []uintptr{a, none, v},
		[]uintptr{1 << 47, page, v}, []uintptr{a, page, 1 << 47}, []uintptr{a, 1, v}, []uintptr{a + 4*page, page, v})
}

func locks() {
	a := area(8)
	call(syscall.SYS_MUNMAP, a+4*page, page)
	call(syscall.SYS_MPROTECT, a+6*page, page, 0)
	errors("mlock", syscall.SYS_MLOCK, []uintptr{a, page}, []uintptr{a + 100, page}, []uintptr{a, 0}, []uintptr{a + 1, 0},
		[]uintptr{a + 3*page, 2 * page}, []uintptr{a + 6*page, page})
	fmt.Println("mlock:", resident(a, 3))
	errors("munlock", syscall.SYS_MUNLOCK, []uintptr{a, page}, []uintptr{a + 100, page}, []uintptr{a, 0}, []uintptr{a + 3*page, 2 * page}, []uintptr{a + 6*page, page})
	errors("mlock2", sysMlock2, []uintptr{a, page, 0}, []uintptr{a, page, 1}, []uintptr{a, page, 2}, []uintptr{a + 4*page, page, 1})
	errors("msync", syscall.SYS_MSYNC, []uintptr{a, page, 4}, []uintptr{a, page, 0}, []uintptr{a, page, 1}, []uintptr{a, page, 5}, []uintptr{a, page, 8},
		[]uintptr{a + 1, page, 4}, []uintptr{a, 0, 4}, []uintptr{a, 8 * page, 4}, []uintptr{a, none - 5000, 4})
}

func remaps() {
	a := area(8)
	call(syscall.SYS_MUNMAP, a+6*page, 2*page)
	*at(a) = 11
	*at(a + 5*page) = 12
	far := sys.Room(16 * page)
	errors("mremap", syscall.SYS_MREMAP, []uintptr{a + 1, page, page, 1}, []uintptr{a, page, 0, 1}, []uintptr{a, page, page, 16}, []uintptr{a, page, page, 2, far},
		[]uintptr{a, page, page, 3, far + 1}, []uintptr{a, 2 * page, 2 * page, 3, a + page}, []uintptr{a, page, page, 3, 1 << 47},
		[]uintptr{a + 6*page, page, page, 1}, []uintptr{a, 8 * page, 9 * page, 1}, []uintptr{a, 0, page, 1}, []uintptr{a, page, 2 * page, 0})
	got, e := call(syscall.SYS_MREMAP, a, 6*page, 7*page, 0)
	fmt.Println("mremap in place:", got == a, e, *at(a), *at(a + 5*page), *at(a + 6*page))
	got, e = call(syscall.SYS_MREMAP, a, 7*page, 6*page, 0)
	fmt.Println("mremap smaller:", got == a, e, works(a+5*page), works(a+6*page))
	got, e = call(syscall.SYS_MREMAP, a, 6*page, 10*page, 3, far)
	fmt.Println("mremap there:", got == far, e, *at(far), *at(far + 5*page), *at(far + 9*page), works(a), works(far+10*page))
	call(syscall.SYS_MPROTECT, far+2*page, page, 0)
	got, e = call(syscall.SYS_MREMAP, far, page, 3*page, 1)
	fmt.Println("mremap away:", got != far, e, *at(got), works(got+2*page), works(far), works(far+page))

	b := area(8) // it ends after four pages when a page is touched, and grows then
	call(syscall.SYS_MUNMAP, b+4*page, 4*page)
	*at(b) = 13
	mmap(b+4*page, 4*page, rw, anon|syscall.MAP_FIXED)
	far = sys.Room(16 * page)
	got, e = call(syscall.SYS_MREMAP, b, 8*page, 12*page, 3, far)
	fmt.Println("mremap of an area that has grown:", got == far, e, *at(far), *at(far + 7*page), works(b))
}

func breaks() {
	now, e := call(syscall.SYS_BRK, 0)
	fmt.Println("brk:", now != 0, e)
	got, e := call(syscall.SYS_BRK, now+5*page+100)
	fmt.Println("brk up:", got == now+5*page+100, e)
	*at(now + 5*page) = 1
	got, e = call(syscall.SYS_BRK, 1)
	fmt.Println("brk too low:", got == now+5*page+100, e)
	got, e = call(syscall.SYS_BRK, 1<<47)
	fmt.Println("brk too high:", got == now+5*page+100, e)
	got, e = call(syscall.SYS_BRK, now)
	fmt.Println("brk back:", got == now, e, works((now+page-1)&^(page-1)+page))
}

func randoms() {
	var b [300]byte
	p := uintptr(unsafe.Pointer(&b))
	for i, a := range [][]uintptr{{p, 300, 0}, {p, 1, 1}, {p, 0, 0}, {p, 16, 4}, {p, 16, 6}, {p, 16, 8}, {8, 16, 0}, {p, 16, 2}} {
		n, e := call(sysGetrandom, a...)
		fmt.Println("getrandom", i, int(n), e)
	}
	big := make([]byte, 1<<20)
	n, e := call(sysGetrandom, uintptr(unsafe.Pointer(&big[0])), 1<<20, 0)
	fmt.Println("getrandom of 1 MiB:", n, e)
}
