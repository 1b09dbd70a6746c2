package shell

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSched(t *testing.T) {
	text, err := output(t, &fake{}, "sched")
	require.NoError(t, err)
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 4, text)
	require.Equal(t, strings.Fields("CPU THREAD CLASS WAIT SWITCHES PREEMPT STEALS SAME NEAR FAR BUSY"), strings.Fields(lines[0]))
	require.Equal(t, strings.Fields("1 7 fair 1 40 256 128 1 14 48 64"), strings.Fields(lines[2]))
	for _, l := range lines {
		require.LessOrEqual(t, len(l), width)
	}
	text, err = output(t, &fake{}, "sched 1")
	require.NoError(t, err)
	require.Equal(t, "threads that became ready went to: the CPU before 1, its core 2, die 4, package\n  8, node 16, other idle CPUs 32, none was idle 64\n"+
		"threads that waited here went to a CPU with less load: 512\n"+
		"  THREAD     IS   CLASS  WEIGHT  AHEAD-US   DUE-US\n       7   runs    fair    1024       1.5  -2000.0\n       9  waits  kernel       -         -        -\n", text)
	for line, want := range map[string]string{
		"sched 2":     "there is no cpu2; cpus lists them",
		"sched x":     `"x" is not a CPU number; cpus lists them`,
		"sched -1":    "unknown option -1",
		"sched 1 2":   `"2" is one word too many; usage: sched [-json] [CPU]`,
		"sched -jsno": `unknown option -jsno, nearest is "-json"`,
	} {
		text, err := output(t, &fake{}, line)
		require.ErrorContains(t, err, want, line)
		require.Contains(t, text, want)
	}
}
