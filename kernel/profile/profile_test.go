package profile

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

const (
	kernelIP = 0xffffffff80300000
	stack    = 0xffffc00000010000 // of the kernel
	user     = 0x7f0000001000     // a stack of a program
	userIP   = 0x401000
)

// memory makes walk read the words of a map, and the kernel's text be one MiB.
func memory(t *testing.T, words map[uint64]uint64) {
	t.Helper()
	before, was := peek, text
	t.Cleanup(func() { peek, text = before, was })
	text.start, text.end = kernelIP, kernelIP+1<<20
	peek = func(a uintptr) (uint64, bool) {
		w, ok := words[uint64(a)]
		return w, ok
	}
}

func walked(f cpu.Frame) []uint64 {
	var pc [abi.SampleDepth]uint64
	return pc[:walk(&f, &pc)]
}

// What a stack leads to: callers in the kernel, from there to a program, and never back.
func TestWalk(t *testing.T) {
	words := map[uint64]uint64{
		stack: stack + 64, stack + 8: kernelIP + 0x10, // a function, called by
		stack + 64: user, stack + 72: userIP, // an entry stub's record
		user: user + 32, user + 8: userIP + 0x20,
		user + 32: 0, user + 40: userIP + 0x30,
		user + 64: stack, user + 72: userIP, // leads back
		stack + 128: stack + 128, stack + 136: kernelIP, // a circle
		stack + 192: stack, stack + 200: 0xffff800000000000, // no code
		stack + 256: stack,
	}
	memory(t, words)
	kernelCode := func(bp uint64) cpu.Frame { return cpu.Frame{IP: kernelIP, BP: bp, SP: bp, CS: cpu.KernelCS} }
	tests := map[string]struct {
		f    cpu.Frame
		want []uint64
	}{
		"the kernel, entered by a program": {kernelCode(stack), []uint64{kernelIP, kernelIP + 0x10, userIP, userIP + 0x20, userIP + 0x30}},
		"a program":                        {cpu.Frame{IP: userIP, BP: user, CS: cpu.UserCS}, []uint64{userIP, userIP + 0x20, userIP + 0x30}},
		"a program that points back":       {cpu.Frame{IP: userIP, BP: user + 64, CS: cpu.UserCS}, []uint64{userIP, userIP}},
		"a program that points inside":     {cpu.Frame{IP: userIP, BP: stack, CS: cpu.UserCS}, []uint64{userIP}},
		"nothing mapped":                   {kernelCode(stack + 1024), []uint64{kernelIP}},
		"half a record":                    {kernelCode(stack + 256), []uint64{kernelIP}},
		"no code":                          {kernelCode(stack + 192), []uint64{kernelIP}},
		"low":                              {kernelCode(8), []uint64{kernelIP}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, walked(tc.f)) })
	}
	require.Len(t, walked(kernelCode(stack+128)), abi.SampleDepth, "a circle ends")
}

// Random words end, and what is stored may be code.
func TestWalkRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	places := []uint64{0, 1, user, user + 16, stack, stack + 24, kernelIP, kernelIP + 5, userIP, 1 << 47, 1 << 63, ^uint64(0) - 7}
	any := func() uint64 { return places[r.IntN(len(places))] + uint64(r.IntN(3))*8 }
	for range 20_000 {
		words := map[uint64]uint64{}
		for range 30 {
			words[any()] = any()
		}
		memory(t, words)
		f := cpu.Frame{IP: any(), BP: any(), SP: any(), CS: cpu.KernelCS}
		if r.IntN(2) == 0 {
			f.CS = cpu.UserCS
		}
		for _, pc := range walked(f)[1:] {
			require.True(t, valid(pc), "%#x", pc)
		}
	}
}

// A buffer takes as many samples as it has room for; the others are counted, and nothing
// is recorded after the end.
func TestBuffer(t *testing.T) {
	memory(t, nil)
	b := &buffer{}
	c := &percpu.CPU{}
	c.Profile.Store(uint64(uintptr(unsafe.Pointer(b))))
	f := &cpu.Frame{IP: kernelIP, CS: cpu.KernelCS}
	record(c, f)
	require.True(t, Begin(c))
	require.False(t, Begin(c), "one reader at a time")
	require.Nil(t, Next(c), "there is no profile")
	b.period.Store(1)
	for i := range uint64(room + 3) {
		f.IP = kernelIP + i
		record(c, f)
	}
	require.EqualValues(t, 3, Counts(c).Lost)
	for i := range uint64(room) {
		s := Next(c)
		require.EqualValues(t, 1, s.N)
		require.Equal(t, kernelIP+i, s.PC[0], "the oldest first")
		Drop(c)
	}
	require.Nil(t, Next(c))
	record(c, f)
	require.NotNil(t, Next(c), "there is room again")
	End(c)
	require.True(t, Begin(c))
	b.in = 1
	record(c, f)
	require.EqualValues(t, 4, Counts(c).Lost, "an NMI hits the record of an interrupt")
}
