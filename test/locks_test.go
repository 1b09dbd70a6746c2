//go:build qemu

package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// CPUs that work at the same things wait for locks, and `locks` shows it. One CPU alone waits for none.
func TestLocks(t *testing.T) {
	t.Parallel()
	for cpus, want := range map[string]bool{"1": false, "4": true, "16": true} {
		if cpus == "16" && !long {
			continue
		}
		t.Run(cpus, func(t *testing.T) {
			r := boot(t, "--kernel", root+"/build/kernel-debug.elf", "--cpus", cpus, "--timeout", "200", "--run", "test stress 2; locks; locks -json; uptime").ok()
			var contended, longest, held uint64
			classes := decode[[]shell.LockClass](r, "locks -json")
			for _, class := range classes {
				for _, c := range class.CPUs {
					contended += c.Contended
					longest = max(longest, c.LongestWait)
					held = max(held, c.LongestHold)
					require.LessOrEqual(t, c.LongestWait, c.Wait, class.Class)
					require.Equal(t, c.Contended > 0, c.Wait > 0, class.Class)
				}
			}
			require.Equal(t, want, contended > 0, "%d waits", contended)
			require.Equal(t, want, longest > 0)
			require.Positive(t, held)
			head, _, _ := strings.Cut(r.output("locks"), "\n")
			require.Equal(t, []string{"CLASS", "CONTENDED", "OUT-OF-TURN", "WAIT-US", "LONGEST-WAIT-US", "LONGEST-HOLD-US"}, strings.Fields(head))
		})
	}
}
