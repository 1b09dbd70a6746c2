package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

func TestLineFlags(t *testing.T) {
	require.Zero(t, LineFlags(false, false))
	require.EqualValues(t, abi.IRQLow|abi.IRQLevel, LineFlags(true, true))
	require.EqualValues(t, abi.IRQLevel, LineFlags(false, true))
}

func TestPins(t *testing.T) {
	list := []LocalNMI{{UID: AllCPUs, LINT: 1}, {UID: 3, LINT: 0, Flags: 0x0f}, {UID: 4, LINT: 9}}
	require.EqualValues(t, abi.NMIPin<<8, pins(list, 4))
	require.EqualValues(t, abi.NMIPin<<8|abi.NMIPin|abi.IRQLow|abi.IRQLevel, pins(list, 3))
}
