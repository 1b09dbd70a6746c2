package layout

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each range has top-level entries of its own, in ascending order, in the upper
// half.
func TestAreas(t *testing.T) {
	slot := func(a uintptr) uintptr { return a >> 39 & 511 }
	order := []uintptr{DirectBase, GoBase, MapBase, Poison, ImageBase}
	for i, a := range order {
		require.GreaterOrEqual(t, slot(a), uintptr(256))
		if i > 0 {
			require.Greater(t, slot(a), slot(order[i-1]))
		}
	}
	require.Equal(t, uintptr(511), slot(ImageBase))
	require.Equal(t, slot(GoBase), slot(GoEnd-1), "one entry")
	require.Equal(t, slot(MapBase), slot(MapEnd-1), "one entry")
	require.Zero(t, Load%LargePage)
	require.Less(t, uint64(UserEnd), uint64(1<<47))
}
