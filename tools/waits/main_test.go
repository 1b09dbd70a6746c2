package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOwnTree(t *testing.T) {
	findings, files, err := check("../..")
	require.NoError(t, err)
	require.Empty(t, findings)
	require.Greater(t, files, 50)
}

// Negative control: the same lines scaled and not scaled, in a test of the kernel and in
// the folder test.
func TestUnscaledWaitsAreFound(t *testing.T) {
	const open = "package p\n\nfunc f() {\n"
	for line, want := range map[string][2]string{ // line to findings in kernel/p and in test
		"time.Sleep(n)":                                                                                   {"time.Sleep", "time.Sleep"},
		"<-time.After(3 * time.Second)":                                                                   {"time.Second outside", "time.Second outside"},
		"<-time.After(patience.For(3 * time.Second))":                                                     {},
		"context.WithTimeout(ctx, time.Minute)":                                                           {"time.Minute outside", "time.Minute outside"},
		"context.WithTimeout(ctx, patience.For(time.Minute))":                                             {},
		"saw(3*time.Second); time.Now()":                                                                  {"time.Second outside", "time.Second outside"},
		"saw(patience.For(3*time.Second)); time.Now()":                                                    {},
		"require.Eventually(t, f, 3*time.Second, time.Millisecond)":                                       {"time.Second outside", "time.Second outside"},
		"require.Eventually(t, f, patience.For(3*time.Second), time.Millisecond)":                         {},
		"require.Eventually(t, func() bool { time.Sleep(1) }, patience.For(time.Hour), time.Microsecond)": {"time.Sleep", "time.Sleep"},
		"t.Log(time.Since(began).Round(time.Second))":                                                     {},
		"start(Config{Limit: time.Second})":                                                               {"", "time.Second outside"},
		"start(Config{Limit: patience.For(time.Second)})":                                                 {},
		"stop(patience.Fixed(15*time.Second)); time.Now()":                                                {},
	} {
		t.Run(line, func(t *testing.T) {
			for i, dir := range []string{"kernel/p", "test"} {
				root := t.TempDir()
				require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(root, dir, "a_test.go"), []byte(open+line+"\n}\n"), 0o644))
				findings, files, err := check(root)
				require.NoError(t, err)
				require.Equal(t, 1, files)
				if want[i] == "" {
					require.Empty(t, findings, dir)
					continue
				}
				require.Len(t, findings, 1, dir)
				require.Contains(t, findings[0], dir+"/a_test.go:4: "+want[i])
			}
		})
	}
}
