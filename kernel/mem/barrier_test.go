package mem

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// A barrier comes between two programs, also if the first has ended and the second has
// its memory; and not between two threads of one.
func TestFollows(t *testing.T) {
	c := &percpu.CPU{}
	a, b := &Space{user: true, number: 1}, &Space{user: true, number: 2}
	require.False(t, a.follows(c), "the first program of this CPU")
	require.False(t, a.follows(c))
	require.True(t, b.follows(c))
	require.True(t, a.follows(c))
	a.number = 3 // ended, and its memory used again
	require.True(t, a.follows(c))
	require.False(t, a.follows(c))
}
