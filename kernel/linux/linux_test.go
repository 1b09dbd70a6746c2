package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/mem"
)

func TestPageRange(t *testing.T) {
	tests := map[string]struct {
		addr, n    uint64
		start, end uintptr
		ok         bool
	}{
		"one byte":        {0x10000, 1, 0x10000, 0x11000, true},
		"two pages":       {0x10000, 4097, 0x10000, 0x12000, true},
		"nothing":         {0x10000, 0, 0, 0, false},
		"odd address":     {0x10001, 1, 0, 0, false},
		"length wraps":    {0x10000, 1<<64 - 1, 0, 0, false},
		"range wraps":     {1<<64 - 8192, 16384, 0, 0, false},
		"up to the top":   {1<<64 - 8192, 8192, 0, 0, false},
		"below the top":   {1<<64 - 8192, 4096, 1<<64 - 8192, 1<<64 - 4096, true},
		"page 0 is there": {0, 4096, 0, 4096, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			start, end, ok := pageRange(tc.addr, tc.n)
			require.Equal(t, tc.ok, ok)
			if ok {
				require.Equal(t, [2]uintptr{tc.start, tc.end}, [2]uintptr{start, end})
			}
		})
	}
}

func TestRights(t *testing.T) {
	require.Equal(t, mem.Prot(0), rights(0))
	require.Equal(t, mem.ProtRead|mem.ProtWrite, rights(2), "x86 cannot write without reading")
	require.Equal(t, mem.ProtRead|mem.ProtExec, rights(4|0x1000))
}

func TestLater(t *testing.T) {
	require.Equal(t, clock.Time(30), later(10, 20))
	require.Equal(t, clock.Never, later(10, clock.Never-1))
}

// The frame on a handler's stack is Linux's, to the byte.
func TestSignalFrameLayout(t *testing.T) {
	require.EqualValues(t, 8, unsafe.Offsetof(sigframe{}.uc))
	require.EqualValues(t, 312, unsafe.Offsetof(sigframe{}.info))
	require.EqualValues(t, 40+16*8, unsafe.Offsetof(ucontext{}.regs)+unsafe.Offsetof(sigcontext{}.ip))
	require.EqualValues(t, 296, unsafe.Offsetof(ucontext{}.mask))
}

func TestIsVariable(t *testing.T) {
	for word, want := range map[string]bool{"GOGC=50": true, "A_B=": true, "gogc=50": false, "GOGC": false, "=x": false, "": false, "Go=1": false} {
		require.Equal(t, want, isVariable([]byte(word)), word)
	}
}

// Every system call that Go's runtime makes has a handler.
func TestRuntimeCallsAreAnswered(t *testing.T) {
	for _, n := range []int{0, 1, 3, 9, 10, 11, 13, 14, 24, 27, 28, 35, 39, 56, 60, 62, 72, 131, 157, 158, 186, 202, 204, 228, 231, 233, 234, 257, 281, 290, 291, 293, 302} {
		require.NotNil(t, calls[n], n)
	}
	require.Nil(t, calls[numRtSigreturn], "handled by Syscall itself")
}

func TestErrno(t *testing.T) {
	require.Equal(t, int64(-14), int64(errno(EFAULT)))
	require.Equal(t, errno(EBADF), Fail(EBADF))
}

func TestNameText(t *testing.T) {
	require.Equal(t, "kernel", nameText(&[16]byte{'k', 'e', 'r', 'n', 'e', 'l'}))
	require.Equal(t, 16, len(nameText(&[16]byte{15: 1, 0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 1, 10: 1, 11: 1, 12: 1, 13: 1, 14: 1})))
}
