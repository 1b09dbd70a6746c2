package linux

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// TestMain measures the host's vector state: the tests have XSAVE areas of this CPU.
func TestMain(m *testing.M) {
	trap.UseState(true)
	m.Run()
}

// kept holds the newest area: a stack may move, and the code knows an area by its address alone.
var kept *xstate

// newXState returns an area that XRSTOR takes.
func newXState() *xstate {
	x := new(xstate)
	kept = x
	trap.ResetState(uintptr(unsafe.Pointer(x)))
	return x
}

func put32(x *xstate, off int, v uint32) { binary.LittleEndian.PutUint32(x[off:], v) }
func put64(x *xstate, off int, v uint64) { binary.LittleEndian.PutUint64(x[off:], v) }
func get64(x *xstate, off int) uint64    { return binary.LittleEndian.Uint64(x[off:]) }

// XRSTOR faults on a component that is not enabled, on a format of another kind, on the
// reserved rest of the header and on MXCSR's reserved bits: each bit alone is refused,
// and every other bit of MXCSR passes.
func TestAcceptState(t *testing.T) {
	all := trap.Components()
	require.True(t, acceptState(newXState(), all))
	for bit := range 64 {
		x := newXState()
		put64(x, xstateBV, 1<<bit)
		require.Equal(t, all>>bit&1 != 0, acceptState(x, all), "component %d", bit)
	}
	for off := xstateXCOMP; off < xstateEnd; off++ {
		x := newXState()
		x[off] = 1
		require.False(t, acceptState(x, all), "header byte %d", off)
	}
	for bit := range 32 {
		x := newXState()
		put32(x, xstateMXCSR, cpu.MXCSRDefault|1<<bit)
		require.Equal(t, trap.MXCSRMask()>>bit&1 != 0, acceptState(x, all), "MXCSR bit %d", bit)
	}
	x := newXState()
	put64(x, xstateBV, all)
	require.True(t, acceptState(x, cpu.XCR0X87))
	require.EqualValues(t, cpu.XCR0X87, get64(x, xstateBV), "the others get their initial state")
}

// MXCSR's bits are the CPU's own: denormals-are-zero is among them on every CPU since
// 2004, and AMD's have one more.
func TestMXCSRMask(t *testing.T) {
	require.EqualValues(t, 0xffff, trap.MXCSRMask()&0xffff)
}

// Every byte of an area that a program gets is written, whatever the memory held before.
func TestSealState(t *testing.T) {
	for _, fill := range []byte{0, 0xa5, 0xff} {
		x := newXState()
		for i := range x {
			if i >= xstateReserved && i < xstateBV || i >= xstateXCOMP && i < xstateEnd {
				x[i] = fill
			}
		}
		sealState(uintptr(unsafe.Pointer(x)))
		for i := xstateReserved; i < xstateSoftware; i++ {
			require.Zero(t, x[i], i)
		}
		for i := xstateXCOMP; i < xstateEnd; i++ {
			require.Zero(t, x[i], i)
		}
		s := *(*software)(unsafe.Pointer(&x[xstateSoftware]))
		size := uint32(trap.StateSize())
		require.Equal(t, software{magic: magicFirst, extended: size + 4, features: trap.Components(), size: size}, s)
		require.True(t, s.whole(trap.StateSize()))
	}
}

// AMD's CPUs before Zen store the x87 pointers only if an exception is pending. Otherwise
// their place holds what the kernel stack held before.
func TestSealX87Pointers(t *testing.T) {
	defer sched.HideX87Pointers(false)
	for _, leak := range []bool{false, true} {
		for _, pending := range []bool{false, true} {
			sched.HideX87Pointers(leak)
			x := newXState()
			for i := range xstateReserved {
				x[i] = 0x6e
			}
			if pending {
				x[xstateFSW] |= fswSummary
			}
			sealState(uintptr(unsafe.Pointer(x)))
			for i := xstateFSW + 2; i < xstateReserved; i++ {
				want := byte(0x6e)
				if leak && !pending && i >= 6 && i < 24 {
					want = 0
				}
				require.Equal(t, want, x[i], "byte %d, leak %t, pending %t", i, leak, pending)
			}
		}
	}
}

// Without XSAVE a frame has the 512 bytes of FXSAVE, and says nothing of more.
func TestSealWithoutXSave(t *testing.T) {
	require.EqualValues(t, trap.StateSize()+4, frameState())
	require.EqualValues(t, 7, contextFlags())
	trap.UseState(false)
	defer trap.UseState(true)
	require.EqualValues(t, 512, trap.StateSize())
	require.EqualValues(t, 3, trap.Components())
	require.EqualValues(t, 512, frameState())
	require.EqualValues(t, 6, contextFlags())
	x := newXState()
	require.EqualValues(t, 0x37f, binary.LittleEndian.Uint16(x[xstateFCW:]), "FXRSTOR loads it")
	for i := range x {
		x[i] = 0xee
	}
	sealState(uintptr(unsafe.Pointer(x)))
	for i := range x {
		if i >= xstateReserved && i < xstateBV {
			require.Zero(t, x[i], i)
		} else {
			require.EqualValues(t, 0xee, x[i], i)
		}
	}
}

// A length that the CPU cannot have written makes a frame one of FXSAVE's 512 bytes.
func TestSoftwareIsWhole(t *testing.T) {
	size := trap.StateSize()
	for _, s := range []software{{}, {magic: magicFirst}, {magic: magicFirst, size: 575, extended: 600},
		{magic: magicFirst, size: uint32(size) + 1, extended: uint32(size) + 5}, {magic: magicFirst, size: uint32(size), extended: uint32(size) - 1},
		{magic: magicFirst + 1, size: uint32(size), extended: uint32(size)}, {magic: magicFirst, size: 1<<32 - 1, extended: 1<<32 - 1}} {
		require.False(t, s.whole(size), "%+v", s)
	}
}

// What an area accepts, the CPU takes: XRSTOR does not fault on it. A fault ends the test.
func TestAcceptedStateIsRestored(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	memory := make([]byte, 2*trap.StateBytes)
	x := (*xstate)(unsafe.Pointer((uintptr(unsafe.Pointer(&memory[0])) + 63) &^ 63))
	taken := 0
	for range 20000 {
		for i := range xstateEnd {
			x[i] = byte(r.Uint32())
		}
		if r.IntN(4) > 0 {
			clear(x[xstateBV:xstateEnd])
			put64(x, xstateBV, r.Uint64()>>(56+r.IntN(8)))
		}
		put32(x, xstateMXCSR, r.Uint32()>>(14+r.IntN(5))|0x1f80) // masked: a pending exception would come at once
		put32(x, xstateFCW, 0x37f)
		if acceptState(x, trap.Components()) {
			taken++
			cpu.RestoreState(uintptr(unsafe.Pointer(x)))
			trap.ResetState(uintptr(unsafe.Pointer(x)))
			cpu.RestoreState(uintptr(unsafe.Pointer(x)))
		}
	}
	require.Greater(t, taken, 1000)
	require.Less(t, taken, 19000)
}

// The table is Linux's (arch/x86/kernel/traps.c).
func TestSignalOf(t *testing.T) {
	const ip = 0x401000
	for v, want := range map[uint64]info{vector.Divide: {SIGFPE, 1, ip}, vector.Breakpoint: {SIGTRAP, 0x80, 0}, vector.Overflow: {SIGSEGV, 0x80, 0},
		5: {SIGSEGV, 0x80, 0}, vector.InvalidOp: {SIGILL, 2, ip}, 10: {SIGSEGV, 0x80, 0}, vector.NotPresent: {SIGBUS, 0x80, 0},
		vector.Stack: {SIGBUS, 0x80, 0}, vector.Protection: {SIGSEGV, 0x80, 0}, vector.Alignment: {SIGBUS, 1, 0}} {
		require.Equal(t, want, signalOf(&cpu.Frame{Vector: v, IP: ip}, 0, 0), "vector %d", v)
	}
	require.Equal(t, info{SIGTRAP, 2, ip}, signalOf(&cpu.Frame{Vector: vector.Debug, IP: ip}, 0, cpu.DR6Clear|cpu.DR6Step))
	require.Equal(t, info{SIGTRAP, 1, ip}, signalOf(&cpu.Frame{Vector: vector.Debug, IP: ip}, 0, cpu.DR6Clear))
}

// Each floating-point exception that is pending and not masked has its code; one that is
// masked has none.
func TestFloatCode(t *testing.T) {
	codes := []int32{7, 5, 3, 4, 5, 6} // invalid, denormal, division by zero, overflow, underflow, inexact
	for i, code := range codes {
		x := newXState()
		binary.LittleEndian.PutUint16(x[xstateFSW:], 1<<i)
		binary.LittleEndian.PutUint16(x[xstateFCW:], 0x3f&^(1<<i))
		put32(x, xstateMXCSR, 1<<i|0x1f80&^(1<<(7+i)))
		area := uintptr(unsafe.Pointer(x))
		require.Equal(t, code, floatCode(vector.X87, area))
		require.Equal(t, code, floatCode(vector.SIMD, area))
		binary.LittleEndian.PutUint16(x[xstateFCW:], 0x3f)
		put32(x, xstateMXCSR, 1<<i|0x1f80)
		require.Zero(t, floatCode(vector.X87, area))
		require.Zero(t, floatCode(vector.SIMD, area))
	}
	require.Zero(t, signalOf(&cpu.Frame{Vector: vector.X87}, uintptr(unsafe.Pointer(newXState())), 0).sig, "it has gone")
}

// What rt_sigreturn makes of each register of a frame.
func TestTakeRegisters(t *testing.T) {
	task := &Task{proc: &Process{user: true}}
	const passed = 0xcd5 | 1<<8 | 1<<16 | 1<<18 // CF PF AF ZF SF DF OF; TF, RF, AC
	const before = cpu.FlagFixed | cpu.FlagInterrupt | cpu.FlagNested
	for bit := range 64 {
		f := cpu.Frame{Flags: before}
		task.takeRegisters(&f, &sigcontext{flags: 1 << bit})
		require.Equal(t, uint64(1<<bit)&passed|before, f.Flags, "flag %d", bit)
		f.Flags = before | passed
		task.takeRegisters(&f, &sigcontext{flags: 1 << bit})
		require.Equal(t, uint64(1<<bit)&passed|before, f.Flags, "flag %d", bit)
	}
	f := cpu.Frame{Flags: cpu.FlagFixed | cpu.FlagInterrupt}
	r := sigcontext{r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15, di: 1, si: 2, bp: 3, bx: 4, dx: 5, ax: 6, cx: 7, sp: ^uint64(0), ip: 17}
	task.takeRegisters(&f, &r)
	require.Equal(t, cpu.Frame{R8: 8, R9: 9, R10: 10, R11: 11, R12: 12, R13: 13, R14: 14, R15: 15, DI: 1, SI: 2, BP: 3, BX: 4, DX: 5, AX: 6, CX: 7,
		SP: ^uint64(0), IP: 17, Flags: cpu.FlagFixed | cpu.FlagInterrupt}, f)
}

// CS, SS and IP that IRET, or the first instruction after it, would fault on.
func TestRefuse(t *testing.T) {
	const cs, ss = cpu.UserCS, cpu.UserSS
	const contextFlags = contextXState | contextSS | contextStrictSS
	frame := func(cs, ss, ip, flags uint64) *ucontext {
		return &ucontext{flags: flags, regs: sigcontext{segments: cs | ss<<48, ip: ip}}
	}
	for name, u := range map[string]*ucontext{
		"as it was": frame(cs, ss, 0x401000, contextFlags), "ring 0's privilege": frame(cs&^3, ss&^3, 0x401000, contextFlags),
		"a wrong SS that is not to be taken": frame(cs, 0x10, 0x401000, contextXState), "the last address": frame(cs, ss, 1<<47-1, contextFlags),
	} {
		require.Zero(t, refuse(u).sig, name)
	}
	for name, tc := range map[string]struct {
		u   *ucontext
		err uint64
	}{
		"kernel CS": {frame(cpu.KernelCS, ss, 0x401000, contextFlags), cpu.KernelCS}, "no CS": {frame(0, ss, 0x401000, contextFlags), 0},
		"data as CS": {frame(ss, ss, 0x401000, contextFlags), ss &^ 3}, "kernel SS": {frame(cs, cpu.KernelSS, 0x401000, contextFlags), cpu.KernelSS},
		"not canonical": {frame(cs, ss, 1<<47, contextFlags), 0}, "not canonical either": {frame(cs, ss, 1<<63, contextFlags), 0},
	} {
		r := refuse(tc.u)
		require.Equal(t, info{SIGSEGV, 0x80, 0}, r.info, name)
		require.Equal(t, trapped{vector: vector.Protection, err: tc.err}, r.trapped, name)
	}
	const high = 0xffffffff80201000
	r := refuse(frame(cs, ss, high, contextFlags))
	require.Equal(t, info{SIGSEGV, codeMapErr, high}, r.info)
	require.Equal(t, trapped{vector.PageFault, 0x15, high}, r.trapped, "as if the program had jumped there")
}
