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

// The fixup of XRSTOR compares the address of the instruction that faults, so that must
// be the instruction's own: a symbol whose first instruction is XRSTOR64 (RBX).
func TestRestorePC(t *testing.T) {
	require.Equal(t, []byte{0x48, 0x0f, 0xae, 0x2b}, unsafe.Slice((*byte)(unsafe.Pointer(restorePC)), 4))
}

// What lies below the frame of a system call replaces what XSAVE stores for these registers.
func TestSaveLive(t *testing.T) {
	UseState(true)
	memory := make([]byte, 32<<10) // with AMX, the area has 11 KiB
	at := (uintptr(unsafe.Pointer(&memory[0])) + 63) &^ 63
	f := (*cpu.Frame)(unsafe.Pointer(at + 1024))
	for i := range keptBytes {
		*(*byte)(unsafe.Pointer(at + 1024 - keptBytes + i)) = byte(i + 1)
	}
	SaveLive(f, at+2048)
	for i, r := range kept {
		for b := range uintptr(16) {
			require.EqualValues(t, 16*i+int(b)+1, *(*byte)(unsafe.Pointer(at + 2048 + 160 + 16*r + b)), "X%d", r)
		}
	}
	require.NotZero(t, *(*uint64)(unsafe.Pointer(at + 2048 + 512))&cpu.XCR0SSE)
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

// A program's frame with selectors that are not a program's becomes that of a #GP, with a
// program's selectors; so no exit loads others.
func TestRefuseSelectors(t *testing.T) {
	for name, tc := range map[string]struct {
		cs, ss  uint64
		foreign bool
		err     uint64
	}{
		"a program's":             {cpu.UserCS, cpu.UserSS, false, 0},
		"the kernel's":            {cpu.KernelCS, cpu.KernelSS, false, 0},
		"the kernel's, after IST": {cpu.KernelCS, 0, false, 0},
		"none":                    {0, cpu.UserSS, true, 0},
		"none, with a level":      {3, cpu.UserSS, true, 0},
		"code without a level":    {cpu.UserCS &^ 3, cpu.UserSS, true, cpu.UserCS &^ 3},
		"data":                    {cpu.UserSS, cpu.UserSS, true, cpu.UserSS &^ 3},
		"of the local table":      {0x0f, cpu.UserSS, true, 0x0c},
		"no stack":                {cpu.UserCS, 0, true, 0},
		"another stack":           {cpu.UserCS, 0x1b, true, 0x18},
	} {
		t.Run(name, func(t *testing.T) {
			f := cpu.Frame{CS: tc.cs, SS: tc.ss, IP: 7, Vector: 14, Error: 4}
			require.Equal(t, tc.foreign, f.Foreign())
			if tc.foreign {
				require.True(t, f.User())
				refuseSelectors(&f)
				require.Equal(t, cpu.Frame{CS: cpu.UserCS, SS: cpu.UserSS, IP: 7, Vector: 13, Error: tc.err}, f)
			}
		})
	}
}
