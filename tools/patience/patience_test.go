package patience

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBounded(t *testing.T) {
	for took, want := range map[time.Duration]float64{
		0: 1, reference / 3: 1, reference: 1, 3 * reference: 3, time.Hour: most,
	} {
		require.InDelta(t, want, bounded(took), 0.001, took)
	}
	for factor, want := range map[float64]int{1: 1, 1.01: 2, 2: 2, 3: 4, most: 8} {
		require.Equal(t, want, power(factor), factor)
	}
}

// Each turn of the loop counts: a compiler that removed it would make every host idle.
func TestLoopWorks(t *testing.T) {
	require.NotEqual(t, spin(turns), spin(turns-1))
	require.Greater(t, loop(), reference/20)
}

func TestVariable(t *testing.T) {
	t.Setenv(Variable, "3")
	require.Equal(t, 30*time.Second, For(10*time.Second))
	require.Equal(t, "MUSTER_SLOW=4", Env())
	out, err := Command(t.Context(), "sh", "-c", "echo $MUSTER_SLOW").Output()
	require.NoError(t, err)
	require.Equal(t, "4\n", string(out))
	for _, bad := range []string{"0", "-3", "x", "2.5", "1001"} {
		t.Setenv(Variable, bad)
		f := Factor()
		require.True(t, f >= 1 && f <= most, "%s: measured, not taken: %v", bad, f)
	}
}

// A measurement stands for a while, and a later one only raises the factor.
func TestFactorRises(t *testing.T) {
	t.Setenv(Variable, "")
	first := Factor()
	require.Equal(t, first, Factor(), "believed for a while")
	measured.at = time.Now().Add(-2 * lasts)
	measured.factor = most
	require.Equal(t, most, Factor())
	measured.factor, measured.at = 0, time.Time{}
}
