package oldcpu

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
)

// The instructions as the assembler encodes them, and what surrounds them in the stubs.
var code = slices.Concat(
	[]byte{0xf3, 0x48, 0x0f, 0xae, 0xc0}, // 0: RDFSBASE RAX
	[]byte{0xf3, 0x48, 0x0f, 0xae, 0xc8}, // 5: RDGSBASE RAX
	[]byte{0xf3, 0x48, 0x0f, 0xae, 0xd0}, // 10: WRFSBASE RAX
	[]byte{0xf3, 0x48, 0x0f, 0xae, 0xd8}, // 15: WRGSBASE RAX
	[]byte{0x48, 0x0f, 0xae, 0x24, 0x24}, // 20: XSAVE64 [RSP]
	[]byte{0x48, 0x0f, 0xae, 0x2b},       // 25: XRSTOR64 [RBX]
	[]byte{0x0f, 0xae, 0xe8},             // 29: LFENCE
	[]byte{0x48, 0x0f, 0xae, 0xe8},       // 32: LFENCE with a prefix
	[]byte{0x48, 0x0f, 0xae, 0x01},       // 36: FXSAVE64 [RCX]
	[]byte{0x0f, 0xae, 0x55, 0x00},       // 40: LDMXCSR [RBP]
	[]byte{0xf3, 0x48, 0x0f, 0xae},       // 44: cut off
)

func TestAt(t *testing.T) {
	want := map[int]Kind{0: Base, 5: Base, 10: Base, 15: Base, 20: Vectors, 25: Vectors}
	for i := range code {
		require.Equal(t, want[i], At(code[i:]), "at %d", i)
	}
	for reg := byte(1); reg < 8; reg++ {
		require.Equal(t, None, At([]byte{0xf3, 0x48, 0x0f, 0xae, 0xd0 | reg}), "another register")
	}
}

// Each instruction becomes a CALL of the routine that does the same by MSR.
func TestRewriteBases(t *testing.T) {
	at := readFSPC + 0x1000
	b := slices.Clone(code)
	require.Equal(t, 4, Rewrite(b, at, Lacks{FSGSBase: true}))
	for i, to := range []uintptr{readFSPC, readGSPC, writeFSPC, writeGSPC} {
		require.Equal(t, byte(0xe8), b[5*i])
		rel := int32(binary.LittleEndian.Uint32(b[5*i+1:]))
		require.Equal(t, to, at+uintptr(5*i+5)+uintptr(rel))
	}
	require.Equal(t, code[20:], b[20:], "nothing else changes")
}

func TestRewriteVectors(t *testing.T) {
	b := slices.Clone(code)
	require.Equal(t, 2, Rewrite(b, 0, Lacks{XSave: true}))
	want := slices.Clone(code)
	want[23], want[28] = 0x04, 0x0b // FXSAVE64 [RSP], FXRSTOR64 [RBX]
	require.Equal(t, want, b)
}

func TestRewriteNothing(t *testing.T) {
	b := slices.Clone(code)
	require.Zero(t, Rewrite(b, 0, Lacks{}))
	require.Equal(t, code, b)
}

func TestOf(t *testing.T) {
	require.Equal(t, Lacks{FSGSBase: true, XSave: true}, Of(&cpu.Features{}))
	require.Equal(t, Lacks{FSGSBase: true}, Of(&cpu.Features{Leaf1C: 1 << 26}), "Sandy Bridge")
	require.Equal(t, Lacks{}, Of(&cpu.Features{Leaf1C: 1 << 26, Leaf7B: 1}))
}
