package shell

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseCPUs(t *testing.T) {
	for text, want := range map[string][]int{"2": {2}, "0-3,6": {0, 1, 2, 3, 6}, "all": nil, "7,0,7,0-1": {0, 1, 7}} {
		got, err := parseCPUs(text, 8)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", ",", "1,", "a", "-1", "1-", "2-1", "0x1", "1 2", "99999999999"} {
		_, err := parseCPUs(text, 8)
		require.ErrorContains(t, err, "is not a set of CPUs", text)
	}
	_, err := parseCPUs("7-8", 8)
	require.EqualError(t, err, "there is no cpu8; cpus lists them")
}

// What parseCPUs reads, cpuSet writes.
func TestCPUSet(t *testing.T) {
	for _, text := range []string{"2", "0-3,6", "all", "0,2,4-5"} {
		list, err := parseCPUs(text, 8)
		require.NoError(t, err)
		require.Equal(t, text, cpuSet(list))
	}
}

func TestAffinity(t *testing.T) {
	f := &fake{}
	var out bytes.Buffer
	s := New(f, &out)
	require.NoError(t, s.Run(context.Background(), "irq affinity 4 0-1"))
	require.Equal(t, []int{0, 1}, f.affinity)
	require.NoError(t, s.Run(context.Background(), "irq affinity 4 all"))
	require.Nil(t, f.affinity)
	require.Empty(t, out.String())
	require.Error(t, s.Run(context.Background(), "irq affinity 5 1 -json"))
	require.Equal(t, "{\"error\":\"irq: no line \\\"5\\\"; irq lists them\"}\n", out.String())
	require.Error(t, s.Run(context.Background(), "irq affinity 4 2"))
	require.Contains(t, out.String(), "irq: there is no cpu2; cpus lists them\n")
}
