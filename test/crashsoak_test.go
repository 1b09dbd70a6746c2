//go:build qemu && soak

package test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/test/picture"
)

// The first lines of each panic are on the screen at the end, however long the report is: the
// reason, the function, its file and line. TestScreenPanic is the part for every day.
func TestSoakCrashScreens(t *testing.T) {
	for _, mode := range []string{"text", "1280x800x32"} {
		for kind, want := range crashes {
			t.Run(mode+" "+kind, func(t *testing.T) {
				// A CPU that is not a virtual one does not end QEMU.
				m := startScreen(t, "GRUB_MODE="+mode, "--boot", "bios", "--cpus", "2", "--cpu", "max,-hypervisor", "--qemu", "-vga std")
				m.expect("muster> ").say("crash " + kind + "\r").expect("last events of cpu1, newest first")
				reason := want.reason[:min(len(want.reason), 25)] // what a row of 80 columns has room for
				first := regexp.MustCompile(`(?s)muster: PANIC on cpu[01], thread \d+ \([a-z]+\): ` + regexp.QuoteMeta(reason) +
					`.*\nin muster/kernel/` + regexp.QuoteMeta(want.function) + `\S*\+0x[0-9a-f]+ kernel/\S+\.(go|s):\d+`)
				require.Eventually(t, func() bool {
					shown := picture.Text(m.read())
					m.missing = "the report's first lines are not on the screen:\n" + shown
					return first.MatchString(shown)
				}, answer(), 500*time.Millisecond)
			})
		}
	}
}
