package cpus

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// The boot CPU's block gets the whole record of its own APIC id, and of no other.
func TestAdopt(t *testing.T) {
	own := abi.Processor{APICID: 4, UID: 7, Pins: abi.NMIPin << 8}
	c := &percpu.CPU{}
	c.APICID = 4
	require.False(t, adopt(c, &abi.Processor{APICID: 5, UID: 7}))
	require.Equal(t, abi.Processor{APICID: 4}, c.Processor)
	require.True(t, adopt(c, &own))
	require.Equal(t, own, c.Processor)

	other := &percpu.CPU{ID: 1}
	other.APICID = 4
	require.False(t, adopt(other, &own), "not the boot CPU")
}

// A CPU that has joined is shown as online when it is in the set, and not before: a call that names
// it would be refused. One on its way offline is in the set for a while.
func TestState(t *testing.T) {
	words := &[1]uint64{1}
	Online.Init(uintptr(unsafe.Pointer(words)), 2)
	defer func() { Online = percpu.Mask{}; runtime.KeepAlive(words) }()
	c := &percpu.CPU{ID: 1}
	c.State.Store(percpu.Ready)
	require.Equal(t, uint32(percpu.Ready), State(c))
	require.True(t, c.Join())
	require.Equal(t, uint32(percpu.Ready), State(c))
	Online.Set(c.ID)
	require.Equal(t, uint32(percpu.Online), State(c))
	require.True(t, c.Dismiss())
	require.Equal(t, uint32(percpu.Leaving), State(c))
	Online.Clear(c.ID)
	c.Park()
	require.Equal(t, uint32(percpu.Offline), State(c))
}
