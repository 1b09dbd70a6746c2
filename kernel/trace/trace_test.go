package trace

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

func TestRing(t *testing.T) {
	var ring [Len]Record
	c := &percpu.CPU{ID: 3, ThreadID: 7, Trace: uintptr(unsafe.Pointer(&ring))}
	var r Record
	require.False(t, Last(c, 0, &r), "empty")
	for i := range uint64(Len + 5) {
		Add(c, Wake, i, i*2)
	}
	require.True(t, Last(c, 0, &r))
	require.Equal(t, Record{TSC: r.TSC, Kind: Wake, CPU: 3, Thread: 7, A: Len + 4, B: 2 * (Len + 4)}, r)
	require.True(t, Last(c, Len-1, &r))
	require.Equal(t, uint64(5), r.A, "the oldest were overwritten")
	require.False(t, Last(c, Len, &r))
	Add(c, Syscall, 1, 2)
	require.True(t, Last(c, 0, &r))
	require.Equal(t, Wake, r.Kind, "system calls are off unless asked for")
}

func TestKindsHaveNames(t *testing.T) {
	for k := None; k < kinds; k++ {
		require.NotEmpty(t, k.String())
	}
	require.Equal(t, "unknown", kinds.String())
}
