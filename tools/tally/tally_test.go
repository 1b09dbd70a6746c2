package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// sample has a test of every fate, in packages of every fate.
var sample = map[string]string{
	"go.mod":            "module m\n\ngo 1.26\n",
	"good/a_test.go":    "package good\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) { t.Log(\"quiet\")\n\tt.Log(\"shown\") }\n",
	"skips/a_test.go":   "package skips\n\nimport \"testing\"\n\nfunc TestSkip(t *testing.T) { t.Skip(\"no moon: not visible\") }\nfunc TestBare(t *testing.T) { t.SkipNow() }\nfunc TestSome(t *testing.T) {\n\tt.Run(\"a\", func(t *testing.T) {})\n\tt.Run(\"b/c\", func(t *testing.T) { t.Skip(\"b is absent\") })\n}\n",
	"bad/a_test.go":     "package bad\n\nimport \"testing\"\n\nfunc TestFine(t *testing.T) { t.Log(\"quiet\") }\nfunc TestBad(t *testing.T) {\n\tt.Run(\"sub\", func(t *testing.T) { t.Error(\"serial log:\\nline one\\nline two\") })\n}\n",
	"panics/a_test.go":  "package panics\n\nimport \"testing\"\n\nfunc TestPanics(t *testing.T) { panic(\"broken\") }\n",
	"main/a_test.go":    "package main\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { println(\"exit 3\"); os.Exit(3) }\n",
	"nobuild/a_test.go": "package nobuild\n\nfunc f() { undefined() }\n",
	"nothing/a_test.go": "package nothing\n\nfunc helper() {}\n",
	"notests/a.go":      "package notests\n",
}

// events runs go test -json on all of the sample, once.
var events = sync.OnceValues(func() (string, error) {
	root, err := os.MkdirTemp("", "tally")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(root)
	for name, text := range sample {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "test", "-json", "-p", "1", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", err
	}
	return string(out), nil
})

// follow gives a follower the events of some packages of the sample.
func follow(t *testing.T, verbose bool, packages ...string) (shown string, r record) {
	t.Helper()
	all, err := events()
	require.NoError(t, err)
	var some, b strings.Builder
	for line := range strings.Lines(all) {
		for _, p := range packages {
			if strings.Contains(line, `"m/`+p+`"`) || strings.Contains(line, `"m/`+p+` [`) {
				some.WriteString(line)
			}
		}
	}
	f := newFollower(&b, verbose, regexp.MustCompile("^    .*:6: shown$"))
	require.NoError(t, f.follow(strings.NewReader(some.String())))
	for i := range f.results {
		f.results[i].Seconds = 0 // of this host
	}
	return b.String(), f.results
}

func TestGoodAndSkipped(t *testing.T) {
	shown, r := follow(t, false, "good", "skips", "notests")
	require.Equal(t, record{
		{Package: "m/good", Test: "TestGood", Outcome: passed},
		{Package: "m/skips", Test: "TestSkip", Outcome: skipped, Reason: "no moon: not visible"},
		{Package: "m/skips", Test: "TestBare", Outcome: skipped, Reason: "it gives no reason"},
		{Package: "m/skips", Test: "TestSome/a", Outcome: passed},
		{Package: "m/skips", Test: "TestSome/b/c", Outcome: skipped, Reason: "b is absent"},
	}, r)
	require.Regexp(t, `^ +a_test.go:6: shown\nok  \tm/good\t.*\nok  \tm/skips\t.*\n$`, shown)
}

// Whatever fails is noted once, and shown in full.
func TestFailuresAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		want  result
		shows []string
	}{
		"bad":     {result{Package: "m/bad", Test: "TestBad/sub", Outcome: failed}, []string{"line one\n", "line two\n", "--- FAIL: TestBad/sub", "FAIL\tm/bad"}},
		"panics":  {result{Package: "m/panics", Test: "TestPanics", Outcome: failed}, []string{"panic: broken", "a_test.go:5", "FAIL\tm/panics"}},
		"main":    {result{Package: "m/main", Outcome: failed, Reason: "it failed outside its tests"}, []string{"exit 3", "FAIL\tm/main"}},
		"nobuild": {result{Package: "m/nobuild", Outcome: failed, Reason: "it does not build"}, []string{"undefined: undefined", "FAIL\tm/nobuild [build failed]"}},
		"nothing": {result{Package: "m/nothing", Outcome: failed, Reason: "it has tests, and none was run"}, []string{"[no tests to run]"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verbose := range []bool{false, true} {
				shown, r := follow(t, verbose, "good", name)
				fails := 0
				for i, x := range r {
					if x.Outcome == failed {
						fails++
					}
					require.Equal(t, x.Outcome == failed && x.Reason != "it has tests, and none was run", x.Printed != "", x)
					require.NotContains(t, x.Printed, "quiet")
					r[i].Printed = ""
				}
				require.Contains(t, r, tc.want)
				require.Equal(t, 1, fails, r)
				for _, text := range tc.shows {
					require.Contains(t, shown, text)
				}
				require.Equal(t, verbose, strings.Contains(shown, "quiet"), shown)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	r := record{
		{Suite: "vet", Outcome: passed},
		{Package: "m/a", Test: "TestA", Outcome: passed},
		{Package: "m/a", Test: "TestB/sub", Outcome: skipped, Reason: "no b"},
	}
	text, ok := summary(r, false, nil)
	require.True(t, ok)
	require.Equal(t, "== skipped:\n     m/a TestB/sub: no b\n2 passed, 0 failed, 1 skipped\n", text)

	text, ok = summary(r, true, []string{"TestA", "TestB/sub"})
	require.True(t, ok, "named")
	require.True(t, strings.HasSuffix(text, "\n2 passed, 0 failed, 1 skipped\n"))

	text, ok = summary(r, true, []string{"TestB", "TestB/su"})
	require.False(t, ok, "another name")
	require.Equal(t, "== FAILED:\n     m/a TestB/sub: skipped in CI, and MUSTER_SKIPS_ALLOWED does not name it: no b\n2 passed, 1 failed, 0 skipped\n", text)

	text, ok = summary(append(r, result{Suite: "lint", Outcome: failed}), false, nil)
	require.False(t, ok)
	require.True(t, strings.HasSuffix(text, "== FAILED:\n     lint\n2 passed, 1 failed, 1 skipped\n"), text)

	text, _ = summary(record{{Test: "TestC", Seconds: 9}, {Test: "TestD", Seconds: 10}, {Test: "TestE", Seconds: 300}}, false, nil)
	require.Equal(t, "== slowest:\n      300 s TestE\n       10 s TestD\n0 passed, 0 failed, 0 skipped\n", text)

	text, _ = summary(record{{Test: "TestC", Outcome: failed, Printed: excerpt("why\n")}, {Test: "TestD", Outcome: failed}}, false, nil)
	require.Equal(t, "== FAILED:\n     TestC\n         why\n     TestD\n0 passed, 2 failed, 0 skipped\n", text)
}

// An excerpt has the first and the last lines, none of them long, and says how many are left out.
func TestExcerpt(t *testing.T) {
	var lines []string
	for i := range headLines + tailLines + 7 {
		lines = append(lines, "line."+strings.Repeat("x", i))
	}
	got := strings.Split(excerpt("\n  \n"+strings.Join(lines, "\r\n\n")), "\n")
	require.Len(t, got, headLines+1+tailLines+1)
	require.Equal(t, "         "+lines[0], got[0])
	require.Equal(t, "         "+lines[headLines-1], got[headLines-1])
	require.Equal(t, "         [7 lines]", got[headLines])
	require.Equal(t, "         "+lines[len(lines)-1], got[headLines+tailLines])

	// Of the middle, lines that tell why are left.
	many := append(slices.Repeat([]string{"event"}, 50), "muster: PANIC on cpu2", "in muster/kernel/x.F")
	many = append(append(many, slices.Repeat([]string{"watchdog: cpu1"}, keyLines+3)...), slices.Repeat([]string{"end"}, tailLines)...)
	got = strings.Split(excerpt(strings.Join(many, "\n")), "\n")
	require.Len(t, got, headLines+1+keyLines+tailLines+1)
	require.Equal(t, "         [57 lines, of which these tell:]", got[headLines])
	require.Equal(t, "         muster: PANIC on cpu2", got[headLines+1])
	require.Equal(t, "         watchdog: cpu1", got[headLines+keyLines])
	require.Equal(t, "         end", got[headLines+keyLines+1])

	require.Equal(t, "         \tred\n", excerpt("\tred\a\x7f\n\x1b\n"))
	require.Equal(t, "         "+strings.Repeat("a", 160)+" ...\n", excerpt(strings.Repeat("a", 161)))
	require.Equal(t, "         "+strings.Repeat("a", 159)+" ...\n", excerpt(strings.Repeat("a", 159)+"é"), "no half letter")
	require.Equal(t, strings.Repeat("         x\n", headLines+tailLines+1), excerpt(strings.Repeat("x\n", headLines+tailLines+1)), "one line is not left out for another")
}

// A suite that runs no tests of Go counts as one test; one that does counts by them,
// and by itself too if it failed and none of them did.
func TestSuite(t *testing.T) {
	before := result{Test: "TestBefore", Outcome: failed}
	good, bad := result{Test: "TestX", Outcome: passed}, result{Test: "TestY", Outcome: failed}
	for name, tc := range map[string]struct {
		noted  record
		status string
		adds   record
	}{
		"no tests, good":      {nil, "0", record{{Suite: "some", Outcome: passed}}},
		"no tests, bad":       {nil, "3", record{{Suite: "some", Outcome: failed}}},
		"tests, good":         {record{good}, "0", nil},
		"tests, bad":          {record{good, bad}, "1", nil},
		"good tests, yet bad": {record{good}, "1", record{{Suite: "some", Outcome: failed}}},
		"bad test, yet a 0":   {record{bad}, "0", nil},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "record")
			require.NoError(t, note(file, before))
			require.NoError(t, note(file, tc.noted...))
			_, err := suite([]string{file, "some", tc.status, "1"})
			require.NoError(t, err)
			r, err := read(file)
			require.NoError(t, err)
			require.Equal(t, slices.Concat(record{before}, tc.noted, tc.adds), r)
		})
	}
	_, err := suite([]string{"record", "some", "x", "0"})
	require.Error(t, err)
}

const busyTests = `package m

import (
	"os"
	"testing"
	"time"
)

func TestA(t *testing.T) {}

func TestB(t *testing.T) {
	t.Run("early", func(t *testing.T) {})
	t.Run("group", func(t *testing.T) {
		t.Run("waits", func(t *testing.T) { t.Parallel() })
		println("at work", os.Getpid())
		for { // a test without a goroutine that can run would end by itself
			time.Sleep(time.Millisecond)
		}
	})
}
`

// What had ended when tally was interrupted is noted, what ran then has failed, and what
// waited for its turn was not run.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module m\n", "a_test.go": busyTests} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	tally, file := filepath.Join(dir, "tally"), filepath.Join(dir, "record")
	out, err := exec.Command("go", "build", "-o", tally, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(tally, "test", "-v", file, ".")
	cmd.Dir = dir
	shown, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(shown)
	pid := 0
	for pid == 0 && lines.Scan() {
		fmt.Sscanf(lines.Text(), "at work %d", &pid)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	io.Copy(io.Discard, shown)
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, patience.For(5*time.Second), 10*time.Millisecond, "the test's process is left")
	r, err := read(file)
	require.NoError(t, err)
	outcomes := map[string]string{}
	for _, x := range r {
		outcomes[x.Test+x.Reason] = x.Outcome
	}
	require.Equal(t, map[string]string{"TestA": passed, "TestB/early": passed, "TestB/group": failed, "it was interrupted": failed}, outcomes)
}

func TestReportOfNothing(t *testing.T) {
	_, err := report([]string{filepath.Join(t.TempDir(), "record")})
	require.ErrorContains(t, err, "nothing was run")
}
