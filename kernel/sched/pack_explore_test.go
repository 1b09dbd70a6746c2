//go:build explore

package sched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// With packing a thread goes to the idle CPU with the lowest number, also where its last one is idle, and when it may run on some
// alone. Without, it goes to the last one.
func TestPack(t *testing.T) {
	for packed, want := range map[bool][]uint32{true: {1, 5}, false: {6, 6}} {
		list := nearCPUs(t, 8, byNumber)
		Pack(packed)
		t.Cleanup(func() { Pack(false) })
		for i, set := range []SetWords{{0xff}, {0xf0}} {
			for _, c := range list {
				c.State.Store(percpu.Online)
				idle.Clear(c.ID)
			}
			for _, id := range []uint32{1, 5, 6} {
				idle.Set(id)
			}
			x := thread(uint32(i+1), ClassUser)
			x.cpu.Store(6)
			x.Bind(list[0], &set, 0)
			enqueue(list[0], x)
			require.Equal(t, want[i]+1, x.in.Load(), "packed %t, set %#x", packed, set[0])
		}
	}
}
