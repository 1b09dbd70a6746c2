package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	mappers     = 4
	ownBlocks   = 48
	blockPages  = 3
	blockSize   = blockPages * page
	anonymous   = syscall.MAP_PRIVATE | syscall.MAP_ANON
	mayMove     = 1
	mremapFixed = 2
)

// maps has threads map, unmap, protect and move pages at the same time. Each has blocks of pages of its own, and between two of them lie those of the other
// threads, so each call splits and joins areas that reach into the others' blocks. Each answer and each content is compared with what the
// thread's own calls have made of the block.
func maps() {
	base, e := sys.MapRoom(mappers*ownBlocks*blockSize, 0) // parts of it are free at times
	if e != 0 {
		fail("mmap: errno %d", int(e))
	}
	var all [mappers][ownBlocks]piece
	for i := range mappers * ownBlocks {
		all[i%mappers][i/mappers] = piece{at: base + uintptr(i)*blockSize, mapped: true}
	}
	contend(mappers, func(id int, r *rand.Rand) {
		b := &all[id][r.IntN(ownBlocks)]
		if r.IntN(8) == 0 {
			elsewhere(r)
			return
		}
		b.change(r, &all[id][r.IntN(ownBlocks)])
		b.check()
	})
}

// piece is a few pages, and what they must hold.
type piece struct {
	at     uintptr
	mapped bool
	prot   uintptr
	value  uint64 // the first word of each page
}

func (b *piece) change(r *rand.Rand, to *piece) {
	switch r.IntN(6) {
	case 0:
		must(syscall.SYS_MMAP, b.at, blockSize, rw, anonymous|syscall.MAP_FIXED, none, 0)
		b.mapped, b.prot, b.value = true, rw, 0
	case 1:
		must(syscall.SYS_MUNMAP, b.at, blockSize)
		b.mapped, b.prot = false, 0
	case 2:
		prot := []uintptr{0, syscall.PROT_READ, rw}[r.IntN(3)]
		b.answers("mprotect", syscall.SYS_MPROTECT, prot)
		if b.mapped {
			b.prot = prot
		}
	case 3:
		b.answers("madvise", syscall.SYS_MADVISE, syscall.MADV_DONTNEED)
		b.value = 0
	case 4:
		var there [blockPages]byte
		b.answers("mincore", syscall.SYS_MINCORE, ptr(&there[0]))
	case 5:
		if !b.mapped || to == b {
			return
		}
		must(syscall.SYS_MREMAP, b.at, blockSize, blockSize, mayMove|mremapFixed, to.at)
		to.mapped, to.prot, to.value = true, b.prot, b.value
		b.mapped, b.prot = false, 0
		to.check()
	}
	if b.mapped && b.prot == rw && r.IntN(2) == 0 {
		b.value = r.Uint64()
		for i := range uintptr(blockPages) {
			*word(b.at, i) = b.value
		}
	}
}

// answers makes a call about the block, which fails if the block is not mapped.
func (b *piece) answers(name string, number, arg uintptr) {
	_, e := sys.Raw(number, b.at, blockSize, arg)
	if b.mapped != (e == 0) || e != 0 && e != syscall.ENOMEM {
		fail("maps: %s of a block, mapped %t: errno %d", name, b.mapped, int(e))
	}
}

// check compares the pages with what they must hold.
func (b *piece) check() {
	if !b.mapped || b.prot == 0 {
		return
	}
	for i := range uintptr(blockPages) {
		if v := *word(b.at, i); v != b.value {
			fail("maps: page %d of the block at %#x holds %#x, not %#x", i, b.at, v, b.value)
		}
	}
}

// elsewhere makes an area where the kernel finds room, lets it grow, and unmaps it.
func elsewhere(r *rand.Rand) {
	n := uintptr(1 + r.IntN(600))
	a := must(syscall.SYS_MMAP, 0, n*page, rw, anonymous, none, 0)
	v := r.Uint64()
	for i := uintptr(0); i < n; i += 1 + n/8 {
		if *word(a, i) != 0 {
			fail("maps: a new page holds %#x", *word(a, i))
		}
		*word(a, i) = v
	}
	a = must(syscall.SYS_MREMAP, a, n*page, (n+4)*page, mayMove)
	for i := uintptr(0); i < n; i += 1 + n/8 {
		if *word(a, i) != v {
			fail("maps: page %d of an area that has grown holds %#x, not %#x", i, *word(a, i), v)
		}
	}
	must(syscall.SYS_MUNMAP, a, (n+4)*page)
}

// mapwait prints how long a thread waits for mmap and munmap of a page while another one maps, touches and unmaps 32 MiB again and again.
func mapwait() {
	const large = 32 << 20
	go func() {
		for {
			a := must(syscall.SYS_MMAP, 0, large, rw, anonymous, none, 0)
			for at := a; at < a+large; at += page {
				*(*byte)(unsafe.Pointer(at)) = 1
			}
			must(syscall.SYS_MUNMAP, a, large)
		}
	}()
	var took []time.Duration
	for begin := time.Now(); time.Since(begin) < 4*span; time.Sleep(time.Millisecond) {
		from := time.Now()
		a := must(syscall.SYS_MMAP, 0, page, rw, anonymous, none, 0)
		must(syscall.SYS_MUNMAP, a, page)
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	n := len(took)
	fmt.Printf("contend: mmap and munmap, %d times: p50 %v, p90 %v, p99 %v, longest %v\n", n, took[n/2], took[n*9/10], took[n*99/100], took[n-1])
}
