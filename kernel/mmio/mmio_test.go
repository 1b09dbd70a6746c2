package mmio

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// device is a variable: a stack may move, and the functions know it by its address alone.
var device [4]uint64

func TestLoadStore(t *testing.T) {
	mem := &device
	a := uintptr(unsafe.Pointer(mem))
	Store32(a+8, 0x55667788)
	Store32(a+12, 0x11223344)
	Store32(a+20, 0xcafe)
	require.Equal(t, uint32(0x11223344), Load32(a+12))
	require.Equal(t, uint16(0x3344), Load16(a+12))
	require.Equal(t, uint8(0x33), Load8(a+13))
	Store16(a+26, 0xbeef)
	Store8(a+25, 0x77)
	require.Equal(t, [4]uint64{0, 0x1122334455667788, 0xcafe << 32, 0xbeef7700}, *mem)
}
