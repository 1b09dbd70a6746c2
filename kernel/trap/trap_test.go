package trap

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
)

func TestGate(t *testing.T) {
	lo, hi := gate(0xffffffff80345670, istNMI, gateInterrupt)
	require.Equal(t, uint64(0x80348e0200085670), lo)
	require.Equal(t, uint64(0xffffffff), hi)
}

// SYSCALL loads CS from bits 47:32 of STAR and SS 8 above; SYSRET loads CS from
// bits 63:48 plus 16 and SS plus 8, both with RPL 3.
func TestStar(t *testing.T) {
	s := star()
	require.EqualValues(t, cpu.KernelCS, s>>32&0xffff)
	require.EqualValues(t, cpu.KernelSS, s>>32&0xffff+8)
	require.EqualValues(t, cpu.UserCS, s>>48+16)
	require.EqualValues(t, cpu.UserSS, s>>48+8)
}

func TestTSSLayout(t *testing.T) {
	require.EqualValues(t, 4, unsafe.Offsetof(tss{}.rsp))
	require.EqualValues(t, 36, unsafe.Offsetof(tss{}.ist))
	require.EqualValues(t, 102, unsafe.Offsetof(tss{}.iomap))
	var x tss
	x.setIST(istDouble, 0xffffc00012345678)
	require.Equal(t, [2]uint32{0x12345678, 0xffffc000}, x.ist[2])
}

func TestFrameOffsets(t *testing.T) {
	require.EqualValues(t, cpu.FrameSize, unsafe.Sizeof(cpu.Frame{}))
	require.EqualValues(t, 17*8, frameIP)
	require.EqualValues(t, 18*8, frameCS)
	require.Zero(t, ISTReserved%16, "the stack below stays aligned")
}

// hasError has a bit for each exception that pushes an error code (Intel SDM
// vol. 3A, "Exception and Interrupt Vectors").
const hasError = 1<<8 | 1<<10 | 1<<11 | 1<<12 | 1<<13 | 1<<14 | 1<<17 | 1<<21 | 1<<29 | 1<<30

// Each stub is 16 bytes: CLAC, the error code if the CPU pushes none, the vector, a jump.
func TestStubs(t *testing.T) {
	for v := range uintptr(256) {
		b := unsafe.Slice((*byte)(unsafe.Pointer(stubsPC+v*16)), 16)
		require.Equal(t, []byte{0x0f, 0x01, 0xca}, b[:3], "vector %d: CLAC", v)
		b = b[3:]
		if hasError>>v&1 == 0 || v >= 32 {
			require.Equal(t, []byte{0x6a, 0}, b[:2], "vector %d: no error code", v)
			b = b[2:]
		}
		if v < 128 {
			require.Equal(t, []byte{0x6a, byte(v)}, b[:2], "vector %d", v)
			b = b[2:]
		} else {
			require.Equal(t, []byte{0x68, byte(v), 0, 0, 0}, b[:5], "vector %d", v)
			b = b[5:]
		}
		require.Equal(t, byte(0xe9), b[0], "vector %d: a jump", v)
	}
}
