package input

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestQueue(t *testing.T) {
	q := NewQueue()
	q.Add([]byte("ab"))
	q.Add([]byte("c"))
	p := make([]byte, 2)
	n, err := q.Read(p)
	require.NoError(t, err)
	require.Equal(t, "ab", string(p[:n]))
	go q.Add([]byte("d"))
	n, _ = q.Read(p)
	require.Equal(t, byte('c'), p[0])
	if n == 1 {
		n, _ = q.Read(p)
		require.Equal(t, "d", string(p[:n]))
	}
}

// A full queue takes no part of a key.
func TestQueueIsBounded(t *testing.T) {
	q := NewQueue()
	q.Add([]byte(strings.Repeat("x", maxQueued-1)))
	q.Add([]byte("\x1b[A"))
	q.Add([]byte("y"))
	p := make([]byte, 2*maxQueued)
	n, _ := q.Read(p)
	require.Equal(t, strings.Repeat("x", maxQueued-1)+"y", string(p[:n]))
}

// All bytes of all sources arrive, in each source's order; errors are passed on.
func TestMerge(t *testing.T) {
	q := NewQueue()
	broken := errors.New("broken")
	in := Merge(nil, q, iotest.ErrReader(broken))
	q.Add([]byte("abc"))
	got, failed := "", 0
	for len(got) < 3 || failed == 0 {
		p := make([]byte, 2)
		n, err := in.Read(p)
		got += string(p[:n])
		if err != nil {
			require.ErrorIs(t, err, broken)
			failed++
		}
	}
	require.Equal(t, "abc", got)
}
