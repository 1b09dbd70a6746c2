// Command calls makes system calls with the right arguments, and with one wrong argument
// at a time: a bad pointer, a number that is unknown, too large or below 0, bits above
// those that the argument has. It prints the answer of each, a line each. The answers do
// not depend on the machine, on the user or on how the program was started, if Linux is 5.11
// or newer, no filter of system calls is there, and 150 descriptors may be open.
// test/calls_test.go compares them with those of Linux, which linux.txt has.
//
// Layer: host.
// Chapter: docs/10-system-calls.md.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

//go:uintptrescapes
func call(n uintptr, a ...uintptr) (uintptr, syscall.Errno) {
	return sys.Raw(n, a...)
}

// option is one value of an argument, and its name.
type option struct {
	name  string
	value uintptr
}

// argument is the right value of an argument, and wrong ones.
type argument struct {
	right uintptr
	wrong []option
}

const (
	page    = 4096
	high    = 1 << 32
	minus   = ^uintptr(0)
	rw      = syscall.PROT_READ | syscall.PROT_WRITE
	closed  = 997 // a descriptor that is not open
	nobody  = 1<<30 - 1
	far     = 150 // a descriptor that is free
	nothing = "/muster-none/x"
)

// Pages without a right, and one that may only be read.
var (
	none, readOnly uintptr
	// inEdge and outEdge are the last bytes before such pages. The kernel writes to one alone.
	inEdge, outEdge uintptr
)

// data is the memory of arguments, one page for each of several purposes.
var data [64]uintptr

func mapped(pages int) uintptr {
	p, e := sys.MapRoom(uintptr(pages*page), rw)
	if e != 0 {
		panic(e)
	}
	return p
}

func word(p uintptr, i int) *uint64 {
	return *(**uint64)(unsafe.Pointer(&[]uintptr{p + uintptr(8*i)}[0]))
}

// words stores 64-bit words in the page of a purpose, and returns its address.
func words(purpose int, w ...uint64) uintptr {
	for i, v := range w {
		*word(data[purpose], i) = v
	}
	return data[purpose]
}

// text stores a string with a zero after it.
func text(purpose int, s string) uintptr {
	b := unsafe.Slice((*byte)(unsafe.Pointer(word(data[purpose], 0))), 2*page)
	b[copy(b, s)] = 0
	return data[purpose]
}

// v is an argument that has no wrong value.
func v(right uintptr) argument { return argument{right: right} }

// wide is an argument of 64 bits, with wrong values.
func wide(right uintptr, wrong ...uintptr) argument {
	a := argument{right: right}
	for _, w := range wrong {
		a.wrong = append(a.wrong, option{name(w), w})
	}
	return a
}

// num is an argument of 32 bits: those above do not count.
func num(right uintptr, wrong ...uintptr) argument {
	return also(wide(right, wrong...), "high bits", right&(high-1)|high)
}

// file is a descriptor.
func file(fd uintptr) argument {
	return argument{fd, []option{{"closed", closed}, {"-1", minus}, {"high bits", fd | high}}}
}

// in is memory that the kernel reads.
func in(p uintptr) argument {
	return argument{p, []option{{"null", 0}, {"8", 8}, {"no right", none}, {"edge", inEdge}, {"2^47", 1 << 47}, {"2^63", 1 << 63}, {"-1", minus}}}
}

// out is memory that the kernel writes.
func out(p uintptr) argument {
	a := in(p)
	for i := range a.wrong {
		if a.wrong[i].name == "edge" {
			a.wrong[i].value = outEdge
		}
	}
	return also(a, "read-only", readOnly)
}

// also adds a wrong value with a name.
func also(a argument, name string, value uintptr) argument {
	a.wrong = append(a.wrong, option{name, value})
	return a
}

// some is a pointer without the wrong value null, with which the call would wait.
func some(a argument) argument {
	a.wrong = a.wrong[1:]
	return a
}

func name(w uintptr) string {
	switch {
	case w == 1<<63:
		return "2^63"
	case int64(w) > 1<<16 || int64(w) < -1<<16:
		return fmt.Sprintf("%#x", w)
	}
	return fmt.Sprint(int64(w))
}

// test is a system call to make with the right arguments, and with each wrong one.
type test struct {
	name   string
	number uintptr
	args   []argument
	before func()                 // before each call
	after  func(r uintptr) string // after each that succeeds: what to print; nil prints the result
}

// yes prints that a call has succeeded, without the result.
func yes(uintptr) string { return "done" }

// opened closes the descriptor that a call has made.
func opened(fd uintptr) string {
	call(syscall.SYS_CLOSE, fd)
	return "a descriptor"
}

func (t test) run() {
	values := make([]uintptr, len(t.args))
	reset := func() {
		for i, a := range t.args {
			values[i] = a.right
		}
	}
	reset()
	t.once(t.name, values)
	for i, a := range t.args {
		for _, o := range a.wrong {
			reset()
			values[i] = o.value
			t.once(fmt.Sprintf("%s, argument %d: %s", t.name, i+1, o.name), values)
		}
	}
}

func (t test) once(what string, args []uintptr) {
	if t.before != nil {
		t.before()
	}
	r, e := call(t.number, args...)
	switch {
	case e != 0:
		fmt.Printf("%s: errno %d\n", what, int(e))
	case t.after != nil:
		fmt.Printf("%s: %s\n", what, t.after(r))
	default:
		fmt.Printf("%s: %d\n", what, int64(r))
	}
}

func runAll(tests []test) {
	for _, t := range tests {
		t.run()
	}
}

func main() {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	pages := mapped(5)
	none, readOnly, inEdge, outEdge = pages+page, pages+2*page, pages+page-1, pages+4*page-1
	call(syscall.SYS_MPROTECT, none, page, 0)
	call(syscall.SYS_MPROTECT, readOnly, page, syscall.PROT_READ)
	call(syscall.SYS_MPROTECT, outEdge+1, page, 0)
	area := mapped(len(data) * 4)
	for i := range data {
		data[i] = area + uintptr(i)*4*page
	}
	call(syscall.SYS_RT_SIGPROCMASK, 2, words(0, 1<<64-1), 0, 8) // the alternate stack changes
	openFiles()
	first := lowest()
	runAll(files())
	runAll(waits())
	runAll(paths())
	runAll(signals())
	runAll(timers())
	runAll(clocks())
	runAll(threads())
	runAll(facts())
	runAll(memory())
	effects()
	odd()
	fmt.Println("descriptors are closed again:", lowest() == first)
}

// lowest is the lowest descriptor that is free.
func lowest() uintptr {
	fd, _ := call(syscall.SYS_DUP, reader)
	call(syscall.SYS_CLOSE, fd)
	return fd
}
