//go:build qemu

package test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two boots give different numbers, also on a CPU without an instruction for them, and
// then one line of the log warns.
func TestRandom(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/random")
	number := regexp.MustCompile(`random ([0-9a-f]{64})\n`)
	const warning = "random: this CPU has no RDSEED or RDRAND that works"
	seen := map[string]bool{}
	for _, cpu := range []string{"max", "max,-rdrand,-rdseed", "max,-rdrand", "max,-rdseed"} {
		for range 2 {
			r := boot(t, "--mem", "512", "--cpu", cpu, "--app", exe).ok()
			m := number.FindStringSubmatch(r.log)
			require.NotNil(t, m)
			require.False(t, seen[m[1]], "the same number again")
			seen[m[1]] = true
			require.Equal(t, cpu == "max,-rdrand,-rdseed", regexp.MustCompile(warning).MatchString(r.log+r.stderr))
		}
	}
}

// The generation ID of a virtual machine, which firmware hands over, is mixed in. Counted
// instructions, a date that stands still and a CPU without RDRAND make all else equal.
func TestGenerationID(t *testing.T) {
	exe := build(t, "build", "./testdata/random")
	number := regexp.MustCompile(`random ([0-9a-f]{64})\n`)
	draw := func(guid string) string {
		r := boot(t, "--icount", "--cpus", "1", "--mem", "512", "--cpu", "max,-x2apic,-rdrand,-rdseed",
			"--qemu", "-seed 1 -rtc base=2026-01-01,clock=vm -device vmgenid,guid="+guid, "--app", exe).ok()
		m := number.FindStringSubmatch(r.log)
		require.NotNil(t, m)
		return m[1]
	}
	first := draw("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87")
	require.Equal(t, first, draw("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"), "or the test would show nothing")
	require.NotEqual(t, first, draw("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb88"))
}
