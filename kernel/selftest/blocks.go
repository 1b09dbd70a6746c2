package selftest

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// blocks allocates blocks of memory of many sizes, marks the first and the last word of
// each, and frees them: whole, or frame by frame. word decides the sizes. A mark that is not there
// any more is a panic: another owner has the block as well. It is the function CallBlocks.
//
// Context: interrupts off, on the target, while a test runs.
func blocks(c *percpu.CPU, word uint64) {
	const orders = 10 // up to 2 MiB
	var list [16]struct {
		p     mem.PhysAddr
		order uint
	}
	n := 0
	for i := range list {
		order := uint(word>>(4*i)) % orders
		if p, ok := mem.AllocOrder(c, order); ok {
			list[n].p, list[n].order = p, order
			for _, w := range ends(p, order) {
				*w = mark(c, p)
			}
			n++
		}
	}
	for i := range n {
		p, order := list[i].p, list[i].order
		for _, w := range ends(p, order) {
			if *w != mark(c, p) {
				upcall.Panic(c, "mem: a block in use has another mark; address, mark", uint64(p), *w)
			}
		}
		if order > 4 || i%2 == 0 {
			mem.FreeOrder(c, p, order)
			continue
		}
		mem.Divide(c, p, order)
		for f := range mem.PhysAddr(1) << order {
			mem.FreeFrame(c, p+f<<layout.PageShift)
		}
	}
}

// ends returns where the first and the last word of a block are.
func ends(p mem.PhysAddr, order uint) [2]*uint64 {
	low := mem.Direct(p)
	return [2]*uint64{(*uint64)(unsafe.Pointer(low)), (*uint64)(unsafe.Pointer(low + layout.PageSize<<order - 8))}
}

func mark(c *percpu.CPU, p mem.PhysAddr) uint64 { return uint64(p) ^ uint64(c.ID+1)<<48 }
