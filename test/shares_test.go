//go:build qemu

package test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

var shareLine = regexp.MustCompile(`(?m)^shares: (\S+) ([0-9.]+)$`)

// Threads of a program share a CPU by their nice values, which another thread has set while they ran: a step is a
// factor of 1.25. Those of the real-time class have all but a twentieth. The program also compares results of the calls with those of Linux, and prints those that differ.
func TestNice(t *testing.T) {
	exe := build(t, "build", "./testdata/shares")
	for want, args := range map[string][]string{"equal": {"0", "0", "0", "0", "0"}, "steps": {"0", "5", "-5"}, "idle": {"0", "-b"},
		"machine": {"0", "0", "0", "0", "0"}, "cap": {"f1", "0"}, "turns": {"r50", "r50", "0"}, "priorities": {"f20", "f10", "r19"}} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := boot(t, append([]string{"--boot", "pvh", "--icount", "--append", "tick=1", "--mem", "256", "--env", "GODEBUG=asyncpreemptoff=1", "--app", exe}, args...)...).ok()
			shares := map[string]float64{"0": 1, "5": 0.328, "-5": 3.052, "-b": 3.0 / 1024, "f1": 1, "r50": 1, "f20": 1}
			exact := 0.02
			if args[0][0] > '9' { // the main thread, which begins and ends the second, has the rest of each second alone
				shares["0"], exact = 0.05*float64(len(args)-1), 0.06
			}
			lines := shareLine.FindAllStringSubmatch(r.out, -1)
			require.Len(t, lines, len(args), r.out)
			require.NotContains(t, r.out, ", not ")
			for i, m := range lines {
				got, err := strconv.ParseFloat(m[2], 64)
				require.NoError(t, err)
				require.Equal(t, args[i], m[1])
				require.InDelta(t, shares[m[1]], got, exact+0.05*shares[m[1]], r.out)
			}
		})
	}
}
