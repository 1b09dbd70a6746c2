package linux

import (
	"math/bits"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
)

// Two ranges that have an address in common have a part in common, one unit has one part, and areas at regular
// distances are spread over the parts.
func TestPartsOfRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200000 {
		start := uintptr(r.Uint64N(1<<47)) >> r.IntN(30) &^ pageMask
		n := uintptr(1+r.IntN(1<<12)) << (12 + r.IntN(3)*5)
		at := start + uintptr(r.Uint64N(uint64(n)))&^pageMask // in the range, where another one begins or ends
		m := uintptr(1+r.IntN(1<<12)) << 12
		one := partsOf(start, start+n)
		require.NotZero(t, one)
		require.NotZero(t, one&partsOf(at, at+m))
		if at+pg > m {
			require.NotZero(t, one&partsOf(at+pg-m, at+pg))
		}
	}
	require.Equal(t, 1, bits.OnesCount8(uint8(partsOf(7*layout.LargePage, 8*layout.LargePage))))
	require.Equal(t, allParts, partsOf(0, ^uintptr(0)))
	require.Equal(t, allParts, partsOf(pg, 0), "an end that has wrapped")
	for shift := 21; shift < 40; shift++ {
		all := parts(0)
		for i := range uintptr(4 * mapParts) {
			all |= partsOf(i<<shift, i<<shift+pg)
		}
		require.GreaterOrEqual(t, bits.OnesCount8(uint8(all)), mapParts/2, "areas %d bytes apart", 1<<shift)
	}
	require.EqualValues(t, 64, unsafe.Sizeof(mapLock{}.parts[0]), "a cache line")
}

const pg = layout.PageSize
