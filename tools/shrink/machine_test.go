package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"muster/test/sysfuzz"
	"muster/tools/patience"
)

// said is a line of a machine, after some seconds.
type said struct {
	after int
	line  string
}

// followed returns what follow finds in a machine that says something, and then ends, or
// does nothing more. The host becomes so many times slower after some seconds.
func followed(t *testing.T, ends bool, slowAt, slower int, list ...said) (why string) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		lines, stop := make(chan string), make(chan struct{})
		go func() {
			defer close(lines)
			for _, s := range list {
				select {
				case <-time.After(time.Duration(s.after) * patience.For(time.Second)):
				case <-stop:
					return
				}
				select {
				case lines <- s.line:
				case <-stop:
					return
				}
			}
			if !ends {
				<-stop
			}
		}()
		second := patience.For(time.Second)
		why = follow(lines, func() time.Duration {
			if time.Since(began) >= time.Duration(slowAt)*second {
				return time.Duration(60*slower) * second
			}
			return 60 * second
		}, func(string) {})
		close(stop)
	})
	return why
}

// A run breaks the kernel if the kernel panics, if a thread of the fuzzer is lost, or if no
// call is made for a time. It does not if calls are made slowly, or the host is slow.
func TestFollow(t *testing.T) {
	t.Setenv(patience.Variable, "1")
	boot, begun := said{2, "[    0.1] boot"}, said{5, "sysfuzz: seed 1, 3 threads, 100 calls each"}
	calls := func(after, n int) said { return said{after, fmt.Sprint("sysfuzz: calls ", n)} }
	for name, tc := range map[string]struct {
		ends         bool
		slowAt, slow int
		list         []said
		want         string
	}{
		"it ends":                  {true, 0, 1, []said{boot, begun, calls(9, 10), {5, "sysfuzz: done 300"}}, ""},
		"a panic":                  {false, 0, 1, []said{boot, begun, {1, "PANIC cpu 1: freed twice"}}, "PANIC cpu 1: freed twice"},
		"a thread is lost":         {false, 0, 1, []said{boot, begun, {1, "sysfuzz: FAULT: 1"}}, "sysfuzz: FAULT: 1"},
		"nothing":                  {false, 0, 1, []said{boot, begun, calls(9, 10)}, "hangs: no call for 1m0s"},
		"the kernel's lines alone": {false, 0, 1, []said{boot, begun, {40, "watchdog"}, {40, "watchdog"}}, "hangs: no call for 1m0s"},
		"no end after all calls":   {false, 0, 1, []said{boot, begun, {5, "sysfuzz: done 300"}}, "hangs: no call for 1m0s"},
		"slow calls":               {true, 0, 1, []said{boot, begun, calls(50, 10), calls(50, 20), calls(50, 30)}, ""},
		"a slow host":              {true, 0, 4, []said{boot, begun, calls(200, 10), calls(200, 20)}, ""},
		"a host becomes slow":      {true, 30, 4, []said{boot, begun, calls(200, 10)}, ""},
		"a slow host, and nothing": {false, 30, 4, []said{boot, begun, calls(50, 10)}, "hangs: no call for 4m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, followed(t, tc.ends, tc.slowAt, tc.slow, tc.list...))
		})
	}
}

// A machine's status counts once the program has begun, and its lines in any case.
func TestRun(t *testing.T) {
	for name, tc := range map[string]struct{ script, want string }{
		"ends":      {"echo 'app: process 9 is x'; exit 0", ""},
		"fails":     {"echo 'app: process 9 is x'; exit 3", ""},
		"signaled":  {"echo 'app: process 9 is x'; exit 192", "signal 64 ended the program"},
		"resets":    {"echo 'app: process 9 is x'; exit 125", "the machine ended without a status"},
		"no kernel": {"exit 125", ""},
		"panics":    {"echo 'app: process 9 is x'; echo 'PANIC cpu 0: x' >&2; exec sleep 1000", "PANIC cpu 0: x"},
	} {
		t.Run(name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "run.sh")
			require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o755))
			m := machine{script: script, stall: 60, tries: 1, limit: 60}
			require.Equal(t, tc.want, m.run("sysfuzz", nil))
			if name != "no kernel" {
				require.EqualValues(t, 9, m.pid)
			}
		})
	}
}

// The limit of a run ends it by a signal, which is not one of the program's. The script's
// status is the same in both.
func TestRunStoppedAtItsLimit(t *testing.T) {
	script := filepath.Join(t.TempDir(), "run.sh")
	text := "#!/bin/sh\ntrap 'exit 143' TERM\necho 'app: process 9 is x'\necho sysfuzz: calls 5\n%s\n"
	for last, want := range map[string]string{"while :; do sleep 0.01; done": "", "kill $$": "signal 15 ended the program"} {
		require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, text, last), 0o755))
		m := machine{script: script, stall: 60, tries: 1, limit: 1}
		require.Equal(t, want, m.run("sysfuzz", nil))
		require.EqualValues(t, 5, m.made)
	}
}

// A run that hangs is reduced as one that panics is: two calls of two threads are left, of
// those that the seed gives.
func TestHangIsReduced(t *testing.T) {
	const pid, seed, threads, calls = 5, 3, 3, 30_000
	var want [2]sysfuzz.Call // of threads 0 and 2
	for i, thread := range []int{0, 2} {
		s := sysfuzz.NewSource(seed, thread, pid)
		for range 50 + 30*i {
			want[i] = s.Next()
		}
	}
	hangs := func(lists [][]sysfuzz.Call) bool {
		return slices.Contains(lists[0], want[0]) && slices.Contains(lists[2], want[1])
	}
	var built [][]sysfuzz.Call
	s := shrinker{pid: func() uint64 { return pid }, made: func() uint64 { return 700 }}
	s.build = func(lists [][]sysfuzz.Call) (string, error) {
		built = lists
		return "", nil
	}
	var given uint64 // calls of the last run of lists
	s.breaks = func(_ string, args []string) bool {
		lists := built
		var v [6]uint64
		for i, a := range args {
			v[i], _ = strconv.ParseUint(a, 10, 64)
		}
		given = v[2]
		if lists == nil {
			lists = s.lists(run{seed: v[0], threads: int(v[1]), calls: v[2], from: v[3], to: v[4], mask: v[5]})
		}
		end := said{1, "sysfuzz: done 30000"}
		return followed(t, !hangs(lists), 0, 1, said{1, "sysfuzz: seed"}, end) != ""
	}
	text, err := s.shrink(run{seed: seed, threads: threads, calls: calls})
	require.NoError(t, err)
	require.Equal(t, source(run{seed: seed, threads: threads}, [][]sysfuzz.Call{{want[0]}, nil, {want[1]}}), text)
	require.EqualValues(t, 7000, given, "ten times as many as it took")
}
