package cpus

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// The index from an APIC id to a CPU's block: a hash table with open addressing, at
// most half full. A starting CPU searches it in assembly, before it has a stack; see
// apEntry.

// hashFactor spreads APIC ids, which have gaps and run in steps, over the table: 2^32
// divided by the golden ratio (Knuth, "The Art of Computer Programming", vol. 3, 6.4).
const hashFactor = 0x9e3779b1

// The table. A CPU starts only after its block is in its slot. A block that is added
// while the CPU starts takes a slot that was empty, so it is not on the way to the
// CPU's own block.
var (
	indexSlots uintptr // *[indexMask+1]*percpu.CPU
	indexMask  uint32
	indexShift uint32 // 32 less the bits of indexMask
)

// indexSize returns the number of slots for n CPUs, a power of two of at least 2n, and
// its logarithm.
func indexSize(n uint32) (slots, bits uint32) {
	for slots, bits = 2, 1; slots < 2*n; bits++ {
		slots *= 2
	}
	return slots, bits
}

// initIndex makes an empty table with room for n CPUs.
func initIndex(c *percpu.CPU, n uint32) {
	slots, bits := indexSize(n)
	useIndex(mem.AllocMapped(c, uintptr(slots)*8, layout.PageSize), bits)
}

// useIndex makes zeroed memory at slots the table, with 2^bits slots.
func useIndex(slots uintptr, bits uint32) {
	indexSlots, indexMask, indexShift = slots, 1<<bits-1, 32-bits
}

func indexSlot(i uint32) **percpu.CPU {
	return (**percpu.CPU)(unsafe.Pointer(indexSlots + uintptr(i)*8))
}

// addToIndex adds a CPU whose APIC id is known.
//
// Context: one caller at a time.
func addToIndex(c *percpu.CPU) {
	i := c.APICID * hashFactor >> indexShift
	for *indexSlot(i) != nil { // ends: half of the slots are empty
		i = (i + 1) & indexMask
	}
	*indexSlot(i) = c
}

// byAPICID returns the CPU with an APIC id, nil if no CPU has the id.
func byAPICID(id uint32) *percpu.CPU {
	if indexSlots == 0 {
		return nil
	}
	for i := id * hashFactor >> indexShift; ; i = (i + 1) & indexMask {
		if c := *indexSlot(i); c == nil || c.APICID == id {
			return c
		}
	}
}
