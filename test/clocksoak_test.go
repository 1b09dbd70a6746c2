//go:build qemu && soak

package test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Over a minute, the guest's clock agrees with the host's to 100 millionths. Each end is the
// quickest of some questions, because an answer may take long on a busy host.
func TestSoakDrift(t *testing.T) {
	s := start(t, "--cpus", "2")
	s.expect("muster> ")
	type pair struct{ host, guest, width time.Duration }
	ask := func() (best pair) {
		best.width = 1 << 62
		for range 20 {
			before := time.Now()
			s.say("uptime -json\r").expect("\nmuster> ")
			width := time.Since(before)
			all := regexp.MustCompile(`"up_ns":(\d+)`).FindAllStringSubmatch(s.log(), -1)
			require.NotEmpty(t, all)
			ns, err := strconv.ParseInt(all[len(all)-1][1], 10, 64)
			require.NoError(t, err)
			if width < best.width {
				best = pair{before.Sub(began) + width/2, time.Duration(ns), width}
			}
		}
		return best
	}
	first := ask()
	s.say(fmt.Sprintf("test clock %d\r", 60)).expect("ok   clock")
	last := ask()
	drift := (last.guest - first.guest) - (last.host - first.host)
	noise := first.width + last.width
	t.Logf("over %v the guest was ahead by %v, ends known to %v", last.host-first.host, drift, noise)
	require.LessOrEqual(t, max(drift, -drift), (last.host-first.host)/10_000+noise)
	s.say("poweroff\r")
	s.end(0)
}

var began = time.Now()
