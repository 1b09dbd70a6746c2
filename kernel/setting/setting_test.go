package setting

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	s := Number{Name: "n", Lowest: 3, Highest: 1000, Default: 7}
	for text, want := range map[string]uint64{"3": 3, "1000": 1000, "007": 7} {
		v, ok := s.Parse([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, v, text)
	}
	for _, text := range []string{"", "2", "1001", "+7", "-7", "7 ", "0x7", "18446744073709551623", "99999999999999999999999999"} {
		_, ok := s.Parse([]byte(text))
		require.False(t, ok, text)
	}
}

func TestRead(t *testing.T) {
	s := Number{Name: "n", Lowest: 3, Highest: 1000, Default: 7}
	tests := map[string]struct {
		line  string
		want  uint64
		given bool
	}{
		"absent":                   {"nn=5 n", 7, false},
		"given":                    {"m=1 n=5", 5, true},
		"the default, given":       {"n=7", 7, true},
		"the last is used":         {"n=5 n=6", 6, true},
		"the last is used, if bad": {"n=5 n=x", 7, false},
		"out of range":             {"n=2", 7, false},
		"cut, so no prefix of it":  {"n=000000000000000000000005", 7, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v, given := s.Read([]byte(tc.line))
			require.Equal(t, tc.want, v)
			require.Equal(t, tc.given, given)
		})
	}
}

// A word can set the default of each setting, except for the limit on CPUs, which
// has none.
func TestDefaultsAreInRange(t *testing.T) {
	for _, s := range []Number{LogLevel, TickMS, DeadlineScale, CallShare} {
		require.GreaterOrEqual(t, s.Default, s.Lowest, s.Name)
		require.LessOrEqual(t, s.Default, s.Highest, s.Name)
	}
	require.Zero(t, MaxCPUs.Default)
}

// The table of chapter 1 says the same ranges and defaults.
func TestChapter(t *testing.T) {
	chapter, err := os.ReadFile("../../docs/01-boot.md")
	require.NoError(t, err)
	for _, s := range []Number{MaxCPUs, LogLevel, TickMS, DeadlineScale, CallShare} {
		usual := fmt.Sprint(s.Default)
		if s.Name == MaxCPUs.Name {
			usual = "all"
		}
		row := fmt.Sprintf("(?m)^\\| `%s=N` \\| .*\\b%d to %d\\b.* \\| %s\\b.* \\|$", s.Name, s.Lowest, s.Highest, usual)
		require.Regexp(t, regexp.MustCompile(row), string(chapter))
	}
}
