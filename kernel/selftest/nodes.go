package selftest

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// heldPages is the pages that holdPages keeps, linked by their first words.
var heldPages uintptr

// holdPages takes pages as page faults of programs do, or gives all back.
func holdPages(c *percpu.CPU, t *linux.Task, pages int, out uintptr) (*percpu.CPU, uint64) {
	held := abi.Held{Node: mem.HomeOf(c)}
	for ; held.Taken < uint64(max(pages, 0)); held.Taken++ {
		p, ok := mem.AllocUser(c)
		if !ok {
			break
		}
		*(*uintptr)(unsafe.Pointer(mem.Direct(p))) = heldPages
		heldPages = mem.Direct(p)
		if held.Last = mem.NodeOf(p); held.Last == held.Node {
			held.Own++
		}
		c = sched.Breathe(c)
	}
	for pages == 0 && heldPages != 0 {
		p := mem.DirectPhys(heldPages)
		heldPages = *(*uintptr)(unsafe.Pointer(heldPages))
		mem.FreeFrame(c, p)
		c = sched.Breathe(c)
	}
	if !t.Space.CopyOut(c, out, unsafe.Pointer(&held), unsafe.Sizeof(held)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}
