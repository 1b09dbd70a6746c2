package shell

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// listed is a machine with some threads.
type listed struct {
	fake
	threads []Thread
}

func (l *listed) Threads() []Thread { return append([]Thread(nil), l.threads...) }

// manyThreads is threads with the longest numbers and names.
func manyThreads() *listed {
	wait := uint64(98765_432_000_000)
	return &listed{threads: []Thread{
		{ID: 1, Process: 1, Name: "muster", State: "running", Class: "kernel", CPU: 3, RunNS: 123_456_789_000, WaitNS: new(uint64), Switches: 7},
		{ID: 2, Process: 1, Name: "muster", State: "parked", Class: "kernel", WaitNS: new(uint64), Switches: 5},
		{ID: 1073741, Process: 107374, Name: "a-long-name-ü15", State: "running", Class: "fair", Priority: -20, CPU: 4095,
			CPUs: []int{0, 1, 2, 3, 7, 9, 11}, RunNS: 98765_432_000_000, WaitNS: &wait, Switches: 1 << 40},
		{ID: 1073742, Process: 107374, Name: "other", State: "ready", Class: "RR", Priority: 99, CPUs: []int{0, 1, 2, 3, 7}},
	}}
}

// output runs a line, and returns its output and error.
func output(t *testing.T, sys System, line string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := New(sys, &out).Run(t.Context(), line)
	return out.String(), err
}

// Each thread has a row, which fits 80 columns: names become shorter as far as the other columns are long.
func TestPS(t *testing.T) {
	text, err := output(t, manyThreads(), "ps")
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 80, text)
	}
	var rows [][]string
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Fields(line))
	}
	require.Equal(t, strings.Fields("ID PROC NAME STATE CLASS PRI CPU CPUS RUN-S WAIT-S"), rows[0])
	require.Equal(t, strings.Fields("1 1 mus+ running kernel - 3 all 123.457 0.000"), rows[1])
	require.Equal(t, []string{"fair", "-20", "4095", "7", "CPUs"}, rows[3][4:9])
	require.Contains(t, text, "0-3,7 ")
	require.Equal(t, "?", rows[4][len(rows[4])-1], "a time that is not known")
	require.True(t, strings.HasPrefix("a-long-name-ü15", strings.TrimSuffix(rows[3][2], "+")) && strings.HasSuffix(rows[3][2], "+"), text)
	text, err = output(t, &listed{threads: manyThreads().threads[:2]}, "ps")
	require.NoError(t, err)
	require.Contains(t, text, "muster", "short rows keep their names")
}

func TestPSProcesses(t *testing.T) {
	text, err := output(t, manyThreads(), "ps -processes")
	require.NoError(t, err)
	var rows [][]string
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 80, text)
		rows = append(rows, strings.Fields(line))
	}
	require.Len(t, rows, 3)
	require.Equal(t, strings.Fields("1 muster 2 1 0 12 123.457 0.000"), rows[1])
	require.Equal(t, "?", rows[2][len(rows[2])-1], "one of its times is not known")
	text, err = output(t, manyThreads(), "ps -p 107374 -json")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(text, `"process":107374`))
	require.NotContains(t, text, `"process":1,`)
}

func TestPSErrors(t *testing.T) {
	for line, want := range map[string]string{
		"ps -p":        "option -p needs a value, PROCESS",
		"ps -p x":      `"x" is not the number of a process; ps -processes lists them`,
		"ps -p 0":      `"0" is not the number of a process`,
		"ps -p -5":     `"-5" is not the number of a process`,
		"ps -p 12":     "no process 12; ps -processes lists them",
		"ps -p 2":      "2 is a thread of process 1, not a process",
		"ps -proceses": `unknown option -proceses, nearest is "-processes"; usage: ps [-p PROCESS] [-processes] [-json]`,
		"ps 1":         `"1" is one word too many; usage: ps`,
	} {
		text, err := output(t, manyThreads(), line)
		require.ErrorContains(t, err, want, line)
		require.Contains(t, text, want)
	}
	list, _ := New(manyThreads(), &bytes.Buffer{}).Complete("ps -p ")
	require.Equal(t, []string{"1", "107374"}, list)
	list, _ = New(manyThreads(), &bytes.Buffer{}).Complete("ps -")
	require.Equal(t, []string{"-h", "-json", "-p", "-processes"}, list)
}
