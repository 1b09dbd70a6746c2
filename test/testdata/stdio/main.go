// Command stdio uses its standard files as the test requires, by system calls without
// buffers of its own. Its first argument is the act.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

func main() {
	acts := map[string]func(args []string){
		"lines": lines, "torn": torn, "vectors": vectors, "bytes": random, "cat": cat, "faults": faults, "exit": exit, "kill": kill,
		"signal": signals, "wait": wait, "deaf": deaf, "nonblock": nonblock, "poll": poll, "stuck": stuck, "forever": forever,
	}
	act := acts[os.Args[1]]
	if act == nil {
		fail("no act %q", os.Args[1])
	}
	act(os.Args[2:])
}

// fail ends the program with the status of a broken test.
func fail(format string, args ...any) {
	say(format, args...)
	os.Exit(99)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fail("%v", err)
	}
	return n
}

// say prints on descriptor 2, so that the test knows how far the program is.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "stdio: "+format+"\n", args...) }

// write is one write(2), made again while a signal ends it without a byte.
func write(fd int, p []byte) (int, error) {
	for {
		if n, err := syscall.Write(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

// line is a line of n bytes that names its writer, and is of one letter after that.
func line(writer, i, n int) []byte {
	head := fmt.Sprintf("w%d.%d ", writer, i)
	return append(append([]byte(head), bytes.Repeat([]byte{byte('a' + (writer+i)%26)}, n-len(head)-1)...), '\n')
}

// atOnce runs f in some threads at the same time.
func atOnce(threads int, f func(thread int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for thread := range threads {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread()
			<-begin
			f(thread)
		}()
	}
	close(begin)
	all.Wait()
}

// lines FD THREADS COUNT BYTES writes lines, each with one write(2).
func lines(args []string) {
	fd, threads, count, size := number(args[0]), number(args[1]), number(args[2]), number(args[3])
	atOnce(threads, func(w int) {
		for i := range count {
			if n, err := write(fd, line(w, i, size)); n != size || err != nil {
				fail("line %d of %d: wrote %d, %v", i, w, n, err)
			}
		}
	})
}

// torn is lines with two writes for each line.
func torn(args []string) {
	fd, threads, count, size := number(args[0]), number(args[1]), number(args[2]), number(args[3])
	atOnce(threads, func(w int) {
		for i := range count {
			text := line(w, i, size)
			write(fd, text[:size/2])
			write(fd, text[size/2:])
		}
	})
}

// vectors FD THREADS COUNT BYTES is lines by writev, in pieces of odd sizes, empty ones
// among them.
func vectors(args []string) {
	fd, threads, count, size := number(args[0]), number(args[1]), number(args[2]), number(args[3])
	atOnce(threads, func(w int) {
		for i := range count {
			text := line(w, i, size)
			var list []syscall.Iovec
			for at, k := 0, 0; at < size; at, k = at+k, k*3%101 {
				k = min(k, size-at)
				v := syscall.Iovec{Base: &text[at], Len: uint64(k)}
				list = append(list, v)
				if k == 0 {
					k = 1
					list = append(list, syscall.Iovec{Base: &text[at], Len: 1})
				}
			}
			var n uintptr
			e := syscall.EINTR
			for e == syscall.EINTR {
				n, _, e = syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)))
			}
			if int(n) != size || e != 0 {
				fail("vector %d of %d: wrote %d, %v", i, w, n, e)
			}
		}
	})
}
