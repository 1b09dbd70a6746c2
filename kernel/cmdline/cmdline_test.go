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
	require.Equal(t, "20", string(out[:n]), "the last one counts")
	_, ok = Value(line, "nosmp", out[:])
	require.False(t, ok, "no value")
	_, ok = Value(line, "tock", out[:])
	require.False(t, ok)
}

func TestNumber(t *testing.T) {
	line := []byte("a=12 b=x c= d=99999999999999999999 e=-1 f=18446744073709551616000000000")
	v, valid, ok := Number(line, "a")
	require.True(t, ok && valid)
	require.Equal(t, uint64(12), v)
	for _, name := range []string{"b", "c", "d", "e", "f"} {
		_, valid, ok = Number(line, name)
		require.True(t, ok, name)
		require.False(t, valid, name)
	}
	_, _, ok = Number(line, "g")
	require.False(t, ok)
}
