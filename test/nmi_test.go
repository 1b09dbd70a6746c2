//go:build qemu

package test

import (
	"path/filepath"
	"testing"
)

// An NMI from outside the machine reaches each CPU by the local interrupt pin that the
// firmware's table names. It is reported, and the machine goes on.
func TestForeignNMI(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "monitor")
	s := start(t, "--qemu", "-monitor unix:"+socket+",server=on,wait=off")
	s.expect("muster> ")
	ask(t, socket, 0, "nmi")
	s.expect("nmi: 4 so far that no CPU has sent")
	ask(t, socket, 0, "nmi")
	s.expect("nmi: 8 so far that no CPU has sent")
	s.say("test stacks\r").expect("ok   stacks")
	s.say("poweroff\r").end(0)
}
