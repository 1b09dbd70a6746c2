package irq

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

func TestFlags(t *testing.T) {
	require.Zero(t, flags(false, false))
	require.Equal(t, abi.IRQLow|abi.IRQLevel, flags(true, true))
	require.Equal(t, abi.IRQLevel, flags(false, true))
}
