// Command stretch brings the objects of a process to their limits, one kind in each act,
// and then does every operation on them. It looks for a system call whose time with
// interrupts off grows with a number that a program chooses.
//
// It runs in ring 3 under --icount, where a nanosecond is an instruction, on the debug
// kernel: that names the longest stretch, or panics at one beyond stretch=.
//
// Layer: host.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

func cloneCall(flags, sp uintptr) uintptr
func handlerPC() uintptr
func hangPC() uintptr

// acts has one function for each kind of object. n is how many of them to make.
var acts = map[string]struct {
	n   int // without an argument
	run func(n int)
}{
	"areas":     {20000, areas},
	"sparse":    {400, sparse},
	"resident":  {20000, resident},
	"holes":     {20000, holes},
	"watches":   {maxFiles - spare, watches},
	"manywatch": {50000, manyWatches},
	"epolls":    {1000, epolls},
	"ready":     {maxFiles - spare, ready},
	"futex":     {5000, futexes},
	"requeue":   {5000, requeue},
	"event":     {5000, eventWaiters},
	"pipers":    {5000, pipeWaiters},
	"epwait":    {5000, epollWaiters},
	"pollers":   {maxFiles - spare, pollers},
	"sleepers":  {5000, sleepers},
	"farthest":  {200, farthest},
	"runners":   {2000, runners},
	"tasks":     {5000, tasks},
	"killall":   {5000, killAll},
	"iovecs":    {1024, iovecs},
	"pipe":      {1 << 20, pipes},
	"files":     {maxFiles, files},
	"names":     {4095, names},
	"signals":   {200, signals},
	"timers":    {30000, timers},
	"cputimers": {30000, cpuTimers},
	"storm":     {2000, storm},
	"lengths":   {1 << 30, lengths},
	"console":   {1 << 16, console},
	"exit":      {5000, exitGroup},
}

// maxFiles is the number of descriptors of a program, RLIMIT_NOFILE. An act that fills
// the table leaves some spare, for the files of the act and of the runtime.
const (
	maxFiles = 4096
	spare    = 16
)

func main() {
	var limit [2]uint64
	call(syscall.SYS_GETRLIMIT, 7, uintptr(unsafe.Pointer(&limit)))
	if limit[0] != maxFiles {
		fmt.Println("stretch: the acts are made for", maxFiles, "descriptors, and a program can have", limit[0])
		os.Exit(2)
	}
	debug.SetGCPercent(-1)
	if len(os.Args) < 2 {
		var names []string
		for name := range acts {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Println(names)
		os.Exit(2)
	}
	a, ok := acts[os.Args[1]]
	if !ok {
		fmt.Println("stretch: no act", os.Args[1])
		os.Exit(2)
	}
	n := a.n
	if len(os.Args) > 2 {
		if v, err := strconv.Atoi(os.Args[2]); err == nil {
			n = v
		}
	}
	runtime.LockOSThread()
	a.run(n)
	fmt.Println("stretch:", os.Args[1], n, "done")
}

// call makes a system call; a negative result is an errno.
//
//go:uintptrescapes
func call(n uintptr, args ...uintptr) int {
	r, e := sys.Raw(n, args...)
	if e != 0 {
		return -int(e)
	}
	return int(r)
}

// must makes a system call that has to succeed.
func must(what string, r int) uintptr {
	if r < 0 {
		fmt.Println("stretch:", what, syscall.Errno(-r))
		os.Exit(3)
	}
	return uintptr(r)
}

const (
	page      = 4096
	anonymous = syscall.MAP_ANON | syscall.MAP_PRIVATE
	noWait    = 0x800
)

func mmap(addr, n, prot, flags uintptr) uintptr {
	return must("mmap", call(syscall.SYS_MMAP, addr, n, prot, flags|anonymous, ^uintptr(0)))
}

// Numbers that package syscall does not name.
const (
	sysEventfd = 290
	sysPpoll   = 271
	sysPreadv  = 295
)

// mapRoom maps n bytes where the program can leave holes.
func mapRoom(n, prot uintptr) uintptr {
	a, e := sys.MapRoom(n, prot)
	if e != 0 {
		must("mmap", -int(e))
	}
	return a
}

func eventfd(n uintptr) uintptr { return must("eventfd", call(sysEventfd, n, noWait)) }
func pipe() (r, w uintptr) {
	var p [2]int32
	must("pipe2", call(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), noWait))
	return uintptr(p[0]), uintptr(p[1])
}

// event is the kernel's struct epoll_event.
type event struct {
	events   uint32
	low, top uint32
}

func control(ep, op, fd uintptr, events uint32) int {
	e := event{events: events}
	return call(syscall.SYS_EPOLL_CTL, ep, op, fd, uintptr(unsafe.Pointer(&e)))
}

func epoll() uintptr       { return must("epoll_create1", call(syscall.SYS_EPOLL_CREATE1)) }
func closeFile(fd uintptr) { call(syscall.SYS_CLOSE, fd) }

// collect waits on an epoll for up to n events, not at all.
func collect(ep uintptr, n int) int {
	buf := make([]event, n)
	return call(syscall.SYS_EPOLL_PWAIT, ep, uintptr(unsafe.Pointer(&buf[0])), uintptr(n), 0, 0, 8)
}

func touch(addr uintptr) { *(*byte)(unsafe.Pointer(addr)) = 1 }

// pair writes to and reads from an eventfd.
func pair(fd uintptr) {
	v := uint64(1)
	call(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&v)), 8)
	call(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&v)), 8)
}
