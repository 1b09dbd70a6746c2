package trampoline

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/boot"
)

func TestBuild(t *testing.T) {
	var page [Size]byte
	page[offSlots] = 1
	Build(&page, 0x9000, Params{CR3: 0x1234000, Entry: 0xffffffff80201000})
	le := binary.LittleEndian
	require.Equal(t, []byte{0xfa, 0xfc, 0x8c, 0xc8}, page[:4], "begins with CLI")
	require.Equal(t, uint16(0x1f), le.Uint16(page[offGDTR:]))
	require.Equal(t, uint32(0x9300), le.Uint32(page[offGDTR+2:]))
	require.Equal(t, uint32(0x9100), le.Uint32(page[offFar32:]))
	require.Equal(t, uint16(sel32), le.Uint16(page[offFar32+4:]))
	jump := page[offJump:]
	require.Equal(t, uint32(0x9200), le.Uint32(jump[unsafe.Offsetof(boot.Jump{}.Offset):]))
	require.Equal(t, uint16(sel64), le.Uint16(jump[unsafe.Offsetof(boot.Jump{}.Selector):]))
	require.Equal(t, uint32(0x1234000), le.Uint32(jump[unsafe.Offsetof(boot.Jump{}.CR3):]))
	require.Equal(t, uint64(0xffffffff80201000), le.Uint64(page[offEntry:]))
	require.Equal(t, uint64(desc32), le.Uint64(page[offGDT+sel32:]))
	require.Zero(t, Slot(&page, 0), "slots are cleared")
	le.PutUint32(page[offSlots+slotSize*5:], 300)
	le.PutUint32(page[offSlots+slotSize*5+4:], StageLongMode64)
	le.PutUint32(page[offSlots+slotSize*5+16:], 77)
	require.Equal(t, Report{300, StageLongMode64, [3]uint32{0, 0, 77}}, Slot(&page, 5))
}

func TestStageNames(t *testing.T) {
	require.Equal(t, 14, stages-1, "14 stages")
	for s := range uint32(stages) {
		require.NotEmpty(t, StageName(s))
	}
	require.Equal(t, "unknown", StageName(99))
}

// The hash depends on each byte that a CPU would use, and not on the reports.
func TestHash(t *testing.T) {
	var page [Size]byte
	Build(&page, 0x9000, Params{CR3: 0x1234000, Entry: 0xffffffff80201000})
	good := Hash(&page)
	page[offCounter]++
	page[offSlots+40]++
	require.Equal(t, good, Hash(&page))
	for i := range offSlots {
		if i >= offCounter && i < offCounter+8 {
			continue
		}
		page[i] ^= 0x10
		require.NotEqual(t, good, Hash(&page), "byte %#x", i)
		page[i] ^= 0x10
	}
}

// A test can make a CPU halt after the store of each stage.
func TestStopAt(t *testing.T) {
	for stage, piece := range map[uint32][2]int{StageRealMode16: {0, offCode32}, StageProtected32: {offCode32, offLong},
		StageLongMode64: {offCode64, offGDT}} {
		var page, plain [Size]byte
		Build(&plain, 0x9000, Params{})
		Build(&page, 0x9000, Params{StopAt: stage})
		var changed []int
		for i := range page {
			if page[i] != plain[i] {
				changed = append(changed, i)
			}
		}
		require.NotEmpty(t, changed)
		require.Greater(t, changed[0], piece[0])
		require.Less(t, changed[len(changed)-1], piece[1])
		require.Equal(t, []byte{0xfa, 0xf4, 0xeb, 0xfd}, page[changed[0]:changed[0]+4])
		require.Contains(t, []byte{byte(stage), 0}, page[changed[0]-2], "after the immediate")
	}
}
