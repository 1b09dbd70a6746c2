package cpu

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The address that SkipMSR compares must be the instruction's own, and the length its length.
func TestSkipMSR(t *testing.T) {
	require.Equal(t, []byte{0x0f, 0x32, 0xc3}, unsafe.Slice((*byte)(unsafe.Pointer(tryMSRPC)), rdmsrBytes+1), "RDMSR, RET")
	f := Frame{IP: uint64(tryMSRPC), AX: 1, BX: 1, CX: 0xce, DX: 1}
	require.True(t, SkipMSR(&f))
	require.Equal(t, Frame{IP: uint64(tryMSRPC) + rdmsrBytes, CX: 0xce}, f)
	require.False(t, SkipMSR(&f), "another instruction")
}
