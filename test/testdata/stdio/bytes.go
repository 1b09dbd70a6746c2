package main

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"syscall"
)

// writeAll writes all of p, in as many calls as it takes.
func writeAll(fd int, p []byte) {
	for len(p) > 0 {
		n, err := write(fd, p)
		if err != nil {
			fail("write: %v", err)
		}
		p = p[n:]
	}
}

// random SEED BYTES writes bytes of all values in writes of random sizes, and says their
// hash on descriptor 2.
func random(args []string) {
	r := rand.New(rand.NewPCG(uint64(number(args[0])), 0))
	left := number(args[1])
	hash := sha256.New()
	for left > 0 {
		p := make([]byte, min(left, 1+r.IntN(1<<r.IntN(15))))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		writeAll(1, p)
		hash.Write(p)
		left -= len(p)
	}
	say("hash %x", hash.Sum(nil))
}

// cat copies standard input to standard output.
func cat([]string) {
	p := make([]byte, 10_000)
	total := 0
	for {
		n, err := syscall.Read(0, p)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			fail("read: %v", err)
		}
		if n == 0 {
			break
		}
		total += n
		writeAll(1, p[:n])
	}
	if n, err := syscall.Read(0, p); n != 0 || err != nil {
		fail("a read after the end: %d, %v", n, err)
	}
	say("copied %d", total)
}

// faults is cat with reads that fail among the others: to a page that is not there, and to
// the end of the page before it. No byte is lost.
func faults([]string) {
	pages, err := syscall.Mmap(-1, 0, 2*4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err == nil {
		err = syscall.Mprotect(pages[4096:], syscall.PROT_NONE)
	}
	if err != nil {
		fail("two pages: %v", err)
	}
	failed, short := 0, 0
	for i := 0; ; i++ {
		p := [...][]byte{pages[4096:4196], pages[4046:4346], pages[:999]}[i%3]
		n, err := syscall.Read(0, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EFAULT && i%3 < 2:
			failed++
		case err != nil || n > 4096-[...]int{4096, 4046, 0}[i%3]:
			fail("read %d: %d, %v", i, n, err)
		case n == 0:
			say("failed %t, copied a part %t", failed > 0, short > 0)
			return
		case i%3 == 1:
			short++
			fallthrough
		default:
			writeAll(1, p[:n])
		}
	}
}

// exit STATUS ends with a status.
func exit(args []string) { os.Exit(number(args[0])) }

// forever writes until a signal ends the program: SIGPIPE, which Go takes for its own
// if it comes from a write of package os to descriptor 1.
func forever([]string) {
	for {
		os.Stdout.WriteString("line\n")
	}
}
