package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
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
				require.Contains(t, r, tc.want)
				fails := 0
				for _, x := range r {
					if x.Outcome == failed {
						fails++
					}
				}
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

func TestReportOfNothing(t *testing.T) {
	_, err := report([]string{filepath.Join(t.TempDir(), "record")})
	require.ErrorContains(t, err, "nothing was run")
}
