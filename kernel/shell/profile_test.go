package shell

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

// sampled returns a sample of a thread at addresses.
func sampled(name string, pc ...uint64) (s abi.Sample) {
	copy(s.Name[:], name)
	s.N = uint32(copy(s.PC[:], pc))
	return s
}

// Equal samples are counted together, whatever an older sample has left behind the
// addresses, and the table has the shares of functions.
func TestProfile(t *testing.T) {
	upper := uint64(reflect.ValueOf(strings.ToUpper).Pointer())
	left := sampled("hot", 0x401000)
	left.PC[5] = 99
	m := &fake{samples: []abi.Sample{sampled("hot", 0x401000), left, sampled("hot", 0x402000), sampled("kernel", 1<<63, upper+1)}}
	p, err := startProfiler(m, 97)
	require.NoError(t, err)
	require.Equal(t, 97, m.rate)
	require.Equal(t, []int{0}, p.cpus, "the other CPU is not online")
	got := p.end()
	require.Zero(t, m.rate, "stopped")
	counts := 0
	for _, s := range got.Stacks {
		counts += s.Count
	}
	require.Equal(t, 4, counts)
	require.Len(t, got.Stacks, 3)
	require.Equal(t, Stack{Name: "hot", Count: 2, PC: []uint64{0x401000}}, got.Stacks[0])
	require.EqualValues(t, 3, got.Lost)
	require.EqualValues(t, 2, got.Missed)
	var out strings.Builder
	require.NoError(t, got.print(&out))
	require.Contains(t, out.String(), "4 samples of busy CPUs, 0 of idle ones, 97 a second of each CPU; 3 lost, 2 missed, 0 dropped\n")
	require.Regexp(t, `(?m)^ *3 +75\.0 +3 +75\.0 hot in ring 3$`, out.String())
}

// The end of a profile waits for the NMIs that may still come, and not without end.
func TestProfileEndsQuietly(t *testing.T) {
	for noisy, want := range map[int]time.Duration{0: 0, 3: 3 * profilePause, 1 << 30: profileQuiet} {
		synctest.Test(t, func(t *testing.T) {
			m := &fake{noisy: noisy}
			began := time.Now()
			stopSampling(m)
			require.Equal(t, want, time.Since(began))
		})
	}
}

// A profile has a bounded number of stacks; samples of others are counted.
func TestProfileIsBounded(t *testing.T) {
	m := &fake{}
	p := &profiler{sys: m, cpus: []int{0}, counts: map[sampleKey]int{}, stop: make(chan struct{}), done: make(chan struct{})}
	close(p.done)
	for i := range uint64(maxStacks + 5) {
		m.samples = append(m.samples, sampled("hot", i+1))
	}
	p.collect()
	m.samples = []abi.Sample{sampled("hot", 1)}
	got := p.end()
	require.Len(t, got.Stacks, maxStacks)
	require.EqualValues(t, 5, got.Dropped)
	require.Equal(t, 2, got.Stacks[0].Count)
}

func TestProfileWords(t *testing.T) {
	for line, want := range map[string]string{
		"profile":                      "usage",
		"profile stop":                 "no profile is being made",
		"profile start; profile start": "a profile is being made",
		"profile start 0":              "is not a number of samples a second from 1 to 1000",
		"profile start 1001":           "is not a number",
		"profile start x":              "is not a number",
		"profile start 5 5":            "usage",
		"profile stop now":             "usage",
		"profile start -json":          "usage",
	} {
		out, err := run(t, line)
		require.Error(t, err, line)
		require.Contains(t, out, want, line)
	}
	out, err := run(t, "profile start 500; profile stop -json")
	require.NoError(t, err)
	var p Profile
	require.NoError(t, json.Unmarshal([]byte(out), &p))
	require.Equal(t, 500, p.Rate)
}

// hostile is a machine with a thread whose program gave it a name that a terminal would take
// for commands.
type hostile struct{ fake }

const hostileName = "a\x1b[2J\t\n\xff\u009bz"

func (*hostile) Threads() []Thread { return []Thread{{ID: 7, Name: hostileName, State: "ready"}} }

// A program chooses the names of its threads; listings show them without what a terminal, or
// the table, would take for commands.
func TestNamesOfThreads(t *testing.T) {
	m := &hostile{fake{samples: []abi.Sample{sampled(hostileName, 0x401000)}}}
	var out strings.Builder
	require.NoError(t, New(m, &out).Run(t.Context(), "ps; profile start; profile stop"))
	const shown = "a\ufffd[2J\ufffd\ufffd\ufffd\ufffdz"
	require.Regexp(t, `(?m)^ +7 +0 +`+regexp.QuoteMeta(shown)+` +ready `, out.String())
	require.Contains(t, out.String(), " "+shown+" in ring 3\n")
	require.NotContains(t, out.String(), "\x1b")
}
