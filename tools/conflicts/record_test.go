package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// record is a window of two workers, on CPUs 1 and 2, with the lines given.
func record(t *testing.T, lines ...string) *window {
	t.Helper()
	text := strings.Join(lines, "\n") + "\nworker 0 operations 100 moved 0 instructions 5000\n" +
		"worker 1 operations 100 moved 0 instructions 7000\nlock 0 ffffffff80200010 150\nlock 1 ffffffff80200010 50\nwindow 0 lost 0\n"
	all, err := parse(strings.NewReader(strings.TrimPrefix(text, "\n")))
	require.NoError(t, err)
	require.Len(t, all, 1)
	all[0].name, all[0].operations = "pair", 100
	return all[0]
}

func TestShared(t *testing.T) {
	for name, tc := range map[string]struct {
		lines  []string
		shared int
	}{
		"nothing":                        {nil, 0},
		"both write":                     {[]string{"line 40 0 1 wrote 100 touched 100 stores 1 loads -", "line 40 1 2 wrote 100 touched 100 stores 1 loads -"}, 1},
		"one writes and one reads":       {[]string{"line 40 0 1 wrote 100 touched 100 stores 1 loads -", "line 40 1 2 wrote 0 touched 100 stores - loads 2"}, 1},
		"both read":                      {[]string{"line 40 0 1 wrote 0 touched 100 stores - loads 2", "line 40 1 2 wrote 0 touched 100 stores - loads 2"}, 0},
		"two lines, each one worker's":   {[]string{"line 40 0 1 wrote 100 touched 100 stores 1 loads -", "line 80 1 2 wrote 100 touched 100 stores 1 loads -"}, 0},
		"written seldom":                 {[]string{"line 40 0 1 wrote 24 touched 100 stores 1 loads -", "line 40 1 2 wrote 0 touched 100 stores - loads 2"}, 0},
		"touched seldom":                 {[]string{"line 40 0 1 wrote 100 touched 100 stores 1 loads -", "line 40 1 2 wrote 24 touched 24 stores 1 loads -"}, 0},
		"a quarter":                      {[]string{"line 40 0 1 wrote 25 touched 25 stores 1 loads -", "line 40 1 2 wrote 0 touched 25 stores - loads 2"}, 1},
		"on one CPU, one after another":  {[]string{"line 40 0 1 wrote 100 touched 100 stores 1 loads -", "line 40 1 1 wrote 100 touched 100 stores 1 loads -"}, 0},
		"a worker moved, the sum counts": {[]string{"line 40 0 1 wrote 20 touched 20 stores 1 loads -", "line 40 0 3 wrote 20 touched 20 stores 1 loads -", "line 40 1 2 wrote 0 touched 30 stores - loads 2"}, 1},
	} {
		t.Run(name, func(t *testing.T) { require.Len(t, record(t, tc.lines...).shared(), tc.shared) })
	}
}

func TestCosts(t *testing.T) {
	instructions, locked := record(t).costs()
	require.Equal(t, 60.0, instructions)
	require.Equal(t, 1.0, locked)
}

// Instructions in the upper half of the addresses are the kernel's.
func TestSides(t *testing.T) {
	w := record(t, "code 0 ffffffff80200010 300", "code 0 401000 200", "code 0 401004 100")
	kernel, program := w.sides()
	require.Equal(t, 3.0, w.each(kernel))
	require.Equal(t, 3.0, w.each(program))
	require.Len(t, program, 2)
}

// A list of functions is of instructions, and has no JSON: other options are refused before a machine boots.
func TestFunctionsNeedCount(t *testing.T) {
	for _, o := range []options{{functions: true}, {functions: true, count: true, json: true}} {
		require.EqualError(t, o.run(nil), "-functions goes with -count, and not with -json")
	}
}

// A file that the plugin has not written is no measurement.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"window 0 lost 3\n":                                "3 accesses lost",
		"window 1 lost 0\n":                                "want window 0",
		"line 40 0 1 wrote 1 touched 1 stores 1\n":         "is nothing that the plugin writes",
		"line 40 0 1 wrote 1 touched 1 stores 1 loads x\n": "is nothing that the plugin writes",
		"worker 0 operations 100 moved 0\n":                "is nothing that the plugin writes",
		"window 0 lost 0 more\n":                           "is nothing that the plugin writes",
		"word\n":                                           "is nothing that the plugin writes",
	} {
		_, err := parse(strings.NewReader(text))
		require.ErrorContains(t, err, want, text)
	}
}

// The windows are those that the program names, without those that it repeats.
func TestName(t *testing.T) {
	all := []*window{newWindow(), newWindow(), newWindow()}
	out := "window 0: getpid, 100 operations\nsomething else\nwindow 1: one_pipe again\nwindow 2: one_pipe, 50 operations of a control\n" +
		"conflicts: 3 windows\n"
	used, err := name(all, out)
	require.NoError(t, err)
	require.Equal(t, []*window{all[0], all[2]}, used)
	require.Equal(t, "getpid", all[0].name)
	require.False(t, all[0].control)
	require.Equal(t, "one_pipe", all[2].name)
	require.True(t, all[2].control)
	require.Equal(t, uint64(50), all[2].operations)
	for _, wrong := range []string{
		strings.Replace(out, "window 2:", "window 3:", 1),
		strings.Replace(out, "window 1: one_pipe again\n", "", 1),
		strings.Replace(out, "conflicts: 3 windows", "", 1), // the program has not ended
	} {
		_, err = name(all, wrong)
		require.Error(t, err, wrong)
	}
}

func TestReadAllowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "allow")
	for text, want := range map[string]string{
		"# a comment\n\npair 3 the reason\nother  1   another\n": "",
		"pair\n":                   "allow:1: want",
		"pair 3\n":                 "allow:1: want",
		"pair 0 why\n":             "allow:1: want",
		"pair 1 why\npair 2 why\n": "allow:2: want",
		"pair some of its lines\n": "allow:1: want",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		all, err := readAllowed(file)
		if want != "" {
			require.ErrorContains(t, err, want, text)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, map[string]allowance{"pair": {3, "the reason"}, "other": {1, "another"}}, all)
	}
}

// The report fails for a pair with more lines than it may have, and for a control without any.
func TestVerdict(t *testing.T) {
	shared := record(t, "line 40 0 1 wrote 100 touched 100 stores - loads -", "line 40 1 2 wrote 100 touched 100 stores - loads -")
	clean := record(t)
	verdict := func(w *window, control bool, allowed map[string]allowance) (string, error) {
		w.control = control
		var text strings.Builder
		err := printPairs(&text, []*window{w}, allowed, &symbols{}, &options{workers: 2, cpus: 4})
		return text.String(), err
	}
	text, err := verdict(clean, false, nil)
	require.NoError(t, err)
	require.Contains(t, text, "1 of 1 pairs are free of conflicts")
	_, err = verdict(shared, false, nil)
	require.ErrorIs(t, err, errConflicts)
	text, err = verdict(shared, false, map[string]allowance{"pair": {1, "because"}})
	require.NoError(t, err)
	require.Contains(t, text, "Allowed: pair: because")
	_, err = verdict(shared, true, nil)
	require.NoError(t, err)
	_, err = verdict(clean, true, nil)
	require.ErrorIs(t, err, errConflicts)
}

// The reasons are those of pairs that exist.
func TestAllowedPairsExist(t *testing.T) {
	all, err := readAllowed("allow.txt")
	require.NoError(t, err)
	for pair := range all {
		require.Contains(t, pairNames(t), pair)
	}
	require.GreaterOrEqual(t, len(pairNames(t)), 40)
}

func pairNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../test/testdata/conflicts/pairs*.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, part := range strings.Split(string(text), "{name: \"")[1:] {
			name, _, _ := strings.Cut(part, "\"")
			names = append(names, name)
		}
	}
	return names
}
