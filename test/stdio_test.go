//go:build qemu

package test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/ktest"
)

// wholeLine is a line of test console, or of testdata/stdio, as it was written.
var wholeLine = regexp.MustCompile(`(?m)^(?:writer (\d) line|w(\d)\.)\s?(\d+) (a+|b+|c+|d+|e+|f+|g+|h+|i+|j+|k+|l+|m+|n+|o+|p+|q+|r+|s+|t+|u+|v+|w+|x+|y+|z+)$`)

// whole counts the lines of a text that are n bytes long with their end, and come from one
// write alone.
func whole(text string, n int) (count int) {
	seen := map[string]bool{}
	for _, m := range wholeLine.FindAllStringSubmatch(text, -1) {
		key := fmt.Sprint(m[1:4])
		if len(m[0]) == n-1 && !seen[key] {
			seen[key] = true
			count++
		}
	}
	return count
}

// A write of up to 4,096 bytes to the console is not mixed with another's, nor with the
// kernel's log lines; a writev of small pieces is one write.
func TestWholeLines(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/stdio")
	for i, cpus := range []string{"1", "2", "4"} {
		for j, act := range []string{"lines", "vectors"} {
			for k, size := range []int{1000, 4096} {
				if !long && (i+j+k)%2 == 1 {
					continue
				}
				t.Run(fmt.Sprint(cpus, act, size), func(t *testing.T) {
					r := runApp(t, exe, []string{act, "1", "4", "50", fmt.Sprint(size)}, "--mem", "256", "--cpus", cpus).ok()
					require.Equal(t, 200, whole(r.log, size))
				})
			}
		}
	}
}

// The same from the kernel's own threads, while the kernel logs lines. The log drops a line
// while the console's ring is full, and on a crowded host most of them: the test runs until
// there were enough beside the others.
func TestWholeLinesBesideLog(t *testing.T) {
	beside := regexp.MustCompile(`(?m)^\[[ .\d]+\] cpu\d: ktest: log line \d+ beside the console's$`)
	logged := 0
	for range 10 {
		r := boot(t, "--timeout", "120", "--run", "test console").ok()
		require.Equal(t, ktest.ConsoleWriters*ktest.ConsoleLines, whole(r.log, ktest.ConsoleLine))
		if logged += len(beside.FindAllString(r.log, -1)); logged > 10 {
			return
		}
	}
	require.Greater(t, logged, 10, "log lines of 10 runs")
}

// Lines of more than one write are mixed: the count notices it.
func TestTornLinesAreNoticed(t *testing.T) {
	r := runApp(t, build(t, "build", "./testdata/stdio"), []string{"torn", "1", "4", "50", "1000"}, "--mem", "256").ok()
	require.Less(t, whole(r.log, 1000), 200)
}
