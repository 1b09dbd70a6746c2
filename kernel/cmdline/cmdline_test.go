package cmdline

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValue(t *testing.T) {
	line := []byte(`tick=5 ticks=7 tick="20" nosmp tock`)
	var out [8]byte
	n, ok := Value(line, "tick", out[:])
	require.True(t, ok)
	require.Equal(t, "20", string(out[:n]), "the last value is used")
	_, ok = Value(line, "nosmp", out[:])
	require.False(t, ok, "no value")
	_, ok = Value(line, "tock", out[:])
	require.False(t, ok)
}
