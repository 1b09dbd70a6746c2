package trampoline

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
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
	require.Equal(t, uint32(0x9200), le.Uint32(page[offFar64:]))
	require.Equal(t, uint32(0x1234000), le.Uint32(page[offCR3:]))
	require.Equal(t, uint64(0xffffffff80201000), le.Uint64(page[offEntry:]))
	require.Equal(t, uint64(desc32), le.Uint64(page[offGDT+sel32:]))
	id, stage := Slot(&page, 0)
	require.Zero(t, id, "slots are cleared")
	require.Zero(t, stage)
	le.PutUint32(page[offSlots+slotSize*5:], 300)
	le.PutUint32(page[offSlots+slotSize*5+4:], StageLongMode64)
	id, stage = Slot(&page, 5)
	require.Equal(t, uint32(300), id)
	require.Equal(t, "LongMode64", StageName(stage))
}

func TestStageNames(t *testing.T) {
	require.Equal(t, 14, stages-1, "14 stages")
	for s := range uint32(stages) {
		require.NotEmpty(t, StageName(s))
	}
	require.Equal(t, "unknown", StageName(99))
}
