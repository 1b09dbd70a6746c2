package near

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	names := []string{"help", "cpu", "cpus", "ps", "poweroff", "test", "audit", "-json"}
	for word, want := range map[string]string{
		"hlep": "help", "cpsu": "cpus", "CPU": "cpu", "cups": "cpus", "pss": "ps", "powerof": "poweroff", "pwoeroff": "poweroff", "-jsn": "-json",
		"ls": "", "top": "", "x": "", "frobnicate": "", "quit": "", "nosuch": "", strings.Repeat("help", 1000): "",
	} {
		got, ok := Nearest(word, names)
		require.Equal(t, want, got, word)
		require.Equal(t, want != "", ok, word)
	}
	got, _ := Nearest("ofline", []string{"online", "offline"})
	require.Equal(t, "offline", got, "a letter that was doubled is nearer than another one")
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "bc", 1}, {"abc", "abd", 1}, {"ca", "abc", 3}} {
		require.Equal(t, tc.want, distance(tc.a, tc.b), tc)
		require.Equal(t, tc.want, distance(tc.b, tc.a), tc)
	}
}
