package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIndex(t *testing.T) {
	for _, n := range []uint64{1, 2, 440, 1 << 20} {
		for _, i := range []uint64{0, 1, n - 1, n, n + 1, 1 << 31, 1 << 63, 1<<63 + n, ^uint64(0)} {
			want := i
			if i >= n {
				want = 0
			}
			require.Equal(t, want, Index(i, n), "%#x of %#x", i, n)
		}
	}
}
