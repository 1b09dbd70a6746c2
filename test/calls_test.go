//go:build qemu

package test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// onPurpose is the answers to testdata/calls that differ from Linux's, and why.
var onPurpose = []struct{ calls, answer, reason string }{
	{`fcntl F_GET(OWN|SIG|LK|LEASE|_SEALS).*`, "errno 22", "there are no owners of signals, locks, leases and seals"},
	{`fcntl F_SETFL, argument 3: 8192`, "errno 22", "there are no signals for input: O_ASYNC"},
	{`(fcntl F_SETFL, argument 3|pipe2, argument 2): 16384`, "errno 22", "there are no pipes of packets: O_DIRECT"},
	{`sigaltstack that disarms itself`, "errno 22", "SS_AUTODISARM is absent"},
	{`futex unlock of priority inheritance.*`, "errno 38", "priority inheritance is absent"},
	{`prctl PR_GET_(DUMPABLE|TIMERSLACK|NO_NEW_PRIVS)`, "errno 22", "there are no core dumps, no timer slack, no privileges"},
	{`prlimit64 to less`, "errno 1", "nothing would keep to a limit"},
}

// callsFacts is what Linux prints for testdata/calls.
func callsFacts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/calls/linux.txt")
	require.NoError(t, err)
	return string(text)
}

// The expected answers are those of Linux, on which this test runs, too.
func TestCallsOnLinux(t *testing.T) {
	out, err := exec.Command(build(t, "build", "./testdata/calls")).Output()
	require.NoError(t, err)
	require.Equal(t, callsFacts(t), string(out))
}

// System calls with one wrong argument at a time answer as on Linux, except those that
// onPurpose names.
func TestCalls(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/calls")
	want := strings.Split(callsFacts(t), "\n")
	for name, options := range machines {
		t.Run(name, func(t *testing.T) {
			r := runApp(t, exe, nil, append(options, "--mem", "256", "--timeout", "60")...).ok()
			have := strings.Split(r.out, "\n")
			require.Len(t, have, len(want), "lines\n%s", r.out)
			used := make([]bool, len(onPurpose))
			var other []string
			for i, line := range have {
				if line != want[i] && !differsOnPurpose(line, used) {
					other = append(other, line+", on Linux "+want[i])
				}
			}
			require.Empty(t, other, "answers that differ from Linux's")
			for i, u := range used {
				require.True(t, u, "%q is as on Linux", onPurpose[i].calls)
			}
		})
	}
}

// differsOnPurpose notes in used which entry of onPurpose a line is of.
func differsOnPurpose(line string, used []bool) bool {
	i := strings.LastIndex(line, ": ")
	for k, p := range onPurpose {
		if i > 0 && line[i+2:] == p.answer && regexp.MustCompile("^("+p.calls+")$").MatchString(line[:i]) {
			used[k] = true
			return true
		}
	}
	return false
}
