package cpus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// The boot CPU's block gets the whole record of its own APIC id, and of no other.
func TestAdopt(t *testing.T) {
	own := abi.Processor{APICID: 4, UID: 7, Pins: abi.NMIPin << 8}
	c := &percpu.CPU{}
	c.APICID = 4
	require.False(t, adopt(c, abi.Processor{APICID: 5, UID: 7}))
	require.Equal(t, abi.Processor{APICID: 4}, c.Processor)
	require.True(t, adopt(c, own))
	require.Equal(t, own, c.Processor)

	other := &percpu.CPU{ID: 1}
	other.APICID = 4
	require.False(t, adopt(other, own), "not the boot CPU")
}
