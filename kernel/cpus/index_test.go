package cpus

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// useTestIndex makes an empty table in ordinary memory; the caller keeps the slice alive.
func useTestIndex(t *testing.T, n uint32) []*percpu.CPU {
	slots, bits := indexSize(n)
	table := make([]*percpu.CPU, slots)
	useIndex(uintptr(unsafe.Pointer(unsafe.SliceData(table))), bits)
	t.Cleanup(func() { indexSlots = 0 })
	return table
}

// probes counts how many slots a search for an APIC id looks at.
func probes(id uint32) (n int) {
	for i := id * hashFactor >> indexShift; ; i = (i + 1) & indexMask {
		n++
		if c := *indexSlot(i); c == nil || c.APICID == id {
			return n
		}
	}
}

// Each CPU is found by its APIC id, and an id that no CPU has is not found, for the ways
// in which machines number their CPUs, up to the largest number of CPUs. A search looks
// at a few slots, however many CPUs there are: starting n CPUs takes O(n) steps.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, id := range map[string]func(i uint32) uint32{
		"dense":             func(i uint32) uint32 { return i },
		"steps of 2":        func(i uint32) uint32 { return 2 * i },
		"steps of 64":       func(i uint32) uint32 { return 64 * i },
		"packages of 96":    func(i uint32) uint32 { return i/96*128 + i%96 },
		"clusters of 16":    func(i uint32) uint32 { return i/16<<16 | i%16 },
		"from the top":      func(i uint32) uint32 { return 0xfffffffe - i },
		"random, no double": func(i uint32) uint32 { return i<<20 | random.Uint32()>>12 },
	} {
		for _, n := range []uint32{1, 2, 3, 255, 512, percpu.Max} {
			t.Run(fmt.Sprintf("%s, %d CPUs", name, n), func(t *testing.T) {
				table := useTestIndex(t, n)
				all := make([]percpu.CPU, n)
				total := 0
				for i := range all {
					all[i].Processor = abi.Processor{APICID: id(uint32(i))}
					addToIndex(&all[i])
				}
				for i := range all {
					require.Same(t, &all[i], byAPICID(all[i].APICID))
					total += probes(all[i].APICID)
				}
				require.Nil(t, byAPICID(0xffffffff), "no CPU has the filler as its id")
				require.LessOrEqual(t, total, int(4*n), "slots looked at for %d CPUs", n)
				runtime.KeepAlive(table)
			})
		}
	}
	require.Nil(t, byAPICID(0), "no table yet")
}
