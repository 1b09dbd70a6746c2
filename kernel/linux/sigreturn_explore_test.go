//go:build explore

package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// A frame gives the task its alternate stack back, unless the handler that returns ran on
// the present one. What the interrupted code ran on does not matter.
func TestSigreturnAlternateStack(t *testing.T) {
	c := &percpu.CPU{}
	memory := make([]byte, 2<<10)
	at := (uintptr(unsafe.Pointer(&memory[0])) + 1<<10) &^ 15 // of the frame, on the handler's stack
	const elsewhere, other = 0x10000, 0x20000
	for name, tc := range map[string]struct {
		low         uintptr // of the alternate stack
		interrupted uint64  // stack pointer
		want        uintptr
	}{
		"handler and code elsewhere":  {elsewhere, 0x30000, other},
		"handler on it":               {at - 512, 0x30000, at - 512},
		"interrupted code on it":      {elsewhere, elsewhere + 8, other},
		"handler and code both on it": {at - 512, uint64(at) + 64, at - 512},
	} {
		x := &Task{proc: &Process{user: true}, altLow: tc.low, altSize: minStack}
		x.Space = spaceOf(memory)
		uc := (*ucontext)(unsafe.Pointer(at))
		*uc = ucontext{stack: stackT{sp: other, size: minStack}}
		uc.regs = sigcontext{sp: tc.interrupted, ip: 0x1000, segments: cpu.UserCS | cpu.UserSS<<48}
		f := &cpu.Frame{SP: uint64(at)}
		sigreturn(c, x, f)
		require.Equal(t, tc.want, x.altLow, name)
		require.Equal(t, tc.interrupted, f.SP, name)
	}
}
