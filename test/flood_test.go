//go:build qemu

package test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/test/picture"
)

// A write of a gigabyte to the screen does not keep signals from the program. The session there can write
// meanwhile, and take the next command. A panic's reason is not scrolled away.
func TestFlood(t *testing.T) {
	t.Parallel()
	m := startScreen(t, "--boot", "bios", "--image", stick(t, build(t, "build", "./testdata/flood"), nil), "--cpus", "2", "--cpu", "max,-hypervisor", "--qemu", "-vga std")
	m.expect("executed automatically in").say("\r").expect("muster> ")
	m.expectReady()
	m.types("run flood\n")
	m.expect(`is "flood"`)
	m.shows("flood flood")
	m.do("sendkey ctrl-c 1")
	m.shows("run: flood: status 130\nmuster>")
	m.types("run flood ")
	m.do("sendkey shift-7 1") // &
	m.types("\n")
	m.expect(`is "flood"`)
	m.shows("flood flood")
	for _, r := range "kill 1\n" { // without an echo that could be read; the keyboard holds 8 keys
		m.do("sendkey %s 1", cmp.Or(names[r], string(r)))
	}
	require.Eventually(t, func() bool {
		m.do("sendkey ret 1")
		return strings.Contains(picture.Text(m.read()), "muster>\nmuster>")
	}, answer(), 100*time.Millisecond, "prompts after the flood")
	m.types("run flood not\n")
	m.expect(`is "flood not"`)
	m.types("run flood\n")
	m.expect(`is "flood"`)
	m.shows("flood flood")
	m.say("crash divide\r").expect("last events of cpu1, newest first")
	m.shows("PANIC on cpu", ": division by zero", "noticed as: ")
}
