package main

import (
	"fmt"
	"syscall"
)

// addOne adds 1 to an eventfd.
func addOne(fd uintptr) {
	one := uint64(1)
	call(syscall.SYS_WRITE, fd, at(&one), 8)
}

func takeAll(fd uintptr) { read(fd, 8) }

func epolls() {
	ep, f := epoll(), eventfd(0, nonblock)
	fmt.Println("add:", control(ep, add, f, out|edge, 1), wait(ep, 8), wait(ep, 8))
	addOne(f)
	fmt.Println("an input is no edge of the output:", wait(ep, 8))
	takeAll(f)
	fmt.Println("a read is:", wait(ep, 8))
	fmt.Println("mod:", control(ep, mod, f, in|out, 2), wait(ep, 8), "/", wait(ep, 8))
	fmt.Println("mod to nothing:", control(ep, mod, f, 0, 3), wait(ep, 8))
	fmt.Println("oneshot:", control(ep, mod, f, out|oneshot, 4), wait(ep, 8), wait(ep, 8))
	fmt.Println("exclusive:", control(ep, mod, f, out|exclusive, 4), control(ep, del, f, 0, 0),
		control(ep, add, f, out|exclusive|oneshot, 5), control(ep, add, f, out|exclusive|edge, 5), control(ep, mod, f, out, 5))
	n, e := call(syscall.SYS_EPOLL_CTL, ep, add, f, 16)
	show("event at a bad address", n, e)
	n, e = call(syscall.SYS_EPOLL_CTL, ep, del, f, 16)
	show("which del does not read", n, e)
	n, e = call(syscall.SYS_EPOLL_CTL, ep, 7, f, at(&buf))
	show("a bad operation", n, e)
	n, e = call(syscall.SYS_EPOLL_CTL, f, add, ep, at(&buf))
	show("not an epoll", n, e)
	n, e = call(syscall.SYS_EPOLL_CTL, ep, add, ep, at(&buf))
	show("itself", n, e)
	n, e = call(syscall.SYS_EPOLL_CTL, ep, add, 999, at(&buf))
	show("no file", n, e)
	n, e = call(syscall.SYS_EPOLL_CTL, 999, add, f, at(&buf))
	show("no epoll", n, e)
	control(ep, add, f, out|edge, 6)
	n, e = call(syscall.SYS_EPOLL_WAIT, ep, 16, 8, 0)
	show("reports at a bad address", n, e)
	fmt.Println("the report was not lost:", wait(ep, 8))
	var files []uintptr
	for i := range byte(4) {
		g := eventfd(1, nonblock)
		control(ep, add, g, in, 10+i)
		files = append(files, g)
	}
	fmt.Println("two at a time, in turn:", wait(ep, 2), "/", wait(ep, 2), "/", wait(ep, 2))
	d, _ := call(syscall.SYS_DUP, files[0])
	control(ep, add, uintptr(d), in, 20)
	closeFD(files[0])
	fmt.Println("both descriptors of a file:", wait(ep, 8))
	closeFD(uintptr(d))
	fmt.Println("closed:", wait(ep, 8))
	closeFD(files[1:]...)
	closeFD(ep, f)

	ep = epoll()
	r, w := pipe(nonblock)
	control(ep, add, r, in|rdhup, 1)
	control(ep, add, w, out, 2)
	fmt.Println("pipe:", wait(ep, 8))
	write(w, 1<<20)
	fmt.Println("full:", wait(ep, 8))
	read(r, 4095)
	fmt.Println("a page but a byte:", wait(ep, 8))
	read(r, 1)
	fmt.Println("a page:", wait(ep, 8))
	closeFD(r)
	fmt.Println("no reader:", wait(ep, 8))
	closeFD(w)
	r, w = pipe(nonblock)
	control(ep, add, r, 0, 3)
	write(w, 1)
	closeFD(w)
	fmt.Println("no writer:", wait(ep, 8))
	closeFD(r, ep)
}

func nested() {
	f := eventfd(0, nonblock)
	chain := []uintptr{epoll()}
	control(chain[0], add, f, in, 1)
	for i := 1; i < 4; i++ {
		ep := epoll()
		fmt.Println("nest:", control(ep, add, chain[i-1], in, byte(i+1)))
		chain = append(chain, ep)
	}
	top := chain[3]
	fmt.Println("nothing:", wait(top, 8))
	addOne(f)
	fmt.Println("from below:", wait(top, 8), wait(chain[1], 8))
	takeAll(f)
	fmt.Println("it is over:", wait(top, 8), wait(chain[0], 8))
	for i, ep := range chain {
		fmt.Println("a circle:", i, control(chain[0], add, ep, in, 9))
	}
	control(top, mod, chain[2], in|edge, 7)
	addOne(f)
	fmt.Println("edge:", wait(top, 8), wait(top, 8))
	addOne(f)
	fmt.Println("edge again:", wait(top, 8), wait(top, 8))
	fmt.Println("exclusive:", control(top, add, chain[0], in|exclusive, 8))
	closeFD(chain[2])
	fmt.Println("closed between:", wait(top, 8))
	closeFD(chain[0], chain[1], top, f)

	chain = []uintptr{epoll()}
	for {
		ep := epoll()
		e := control(ep, add, chain[len(chain)-1], in, 1)
		chain = append(chain, ep)
		if e != 0 {
			fmt.Println("a chain too long:", e)
			break
		}
	}
	closeFD(chain...)
}
