package irq

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/acpi"
)

func TestFlags(t *testing.T) {
	require.Zero(t, flags(false, false))
	require.Equal(t, abi.IRQLow|abi.IRQLevel, flags(true, true))
	require.Equal(t, abi.IRQLevel, flags(false, true))
}

func TestPins(t *testing.T) {
	list := []acpi.LocalNMI{{UID: acpi.AllCPUs, LINT: 1}, {UID: 3, LINT: 0, Flags: 0x0f}, {UID: 4, LINT: 9}}
	require.Equal(t, uint32(abi.NMIPin)<<8, Pins(list, 4))
	require.Equal(t, uint32(abi.NMIPin)<<8|abi.NMIPin|abi.IRQLow|abi.IRQLevel, Pins(list, 3))
}
