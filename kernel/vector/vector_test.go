package vector

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

func TestNames(t *testing.T) {
	require.Equal(t, "page fault", Name(PageFault))
	require.Equal(t, "local timer", Name(Timer))
	require.Equal(t, "8259", Name(0x27))
	require.Empty(t, Name(0x40))
}

// HandleRest fills the vectors without a handler, and never replaces one.
func TestDeliver(t *testing.T) {
	defer func() { handlers = [256]Handler{} }()
	got := ""
	Handle(Timer, func(*percpu.CPU, *cpu.Frame) { got = "timer" })
	HandleRest(func(*percpu.CPU, *cpu.Frame) { got = "rest" })
	Handle(DeviceFirst, func(*percpu.CPU, *cpu.Frame) { got = "device" })
	for v := uint64(Exceptions); v < 256; v++ {
		want := map[uint64]string{Timer: "timer", DeviceFirst: "device"}[v]
		if want == "" {
			want = "rest"
		}
		Deliver(nil, &cpu.Frame{Vector: v})
		require.Equal(t, want, got, "%#x", v)
	}
}
