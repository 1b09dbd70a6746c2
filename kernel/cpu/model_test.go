package cpu

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The address that SkipMSR compares must be the instruction's own, and the length its length.
func TestSkipMSR(t *testing.T) {
	for pc, code := range map[uintptr][]byte{tryMSRPC: {0x0f, 0x32, 0xc3}, tryWriteMSRPC: {0x0f, 0x30, 0xc3}} {
		require.Equal(t, code, unsafe.Slice((*byte)(unsafe.Pointer(pc)), msrBytes+1), "RDMSR or WRMSR, RET")
		f := Frame{IP: uint64(pc), AX: 1, BX: 1, CX: 0xce, DX: 1}
		require.True(t, SkipMSR(&f))
		require.Equal(t, Frame{IP: uint64(pc) + msrBytes, CX: 0xce}, f)
		require.False(t, SkipMSR(&f), "another instruction")
	}
}
