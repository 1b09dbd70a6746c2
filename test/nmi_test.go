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
	query(t, socket, 0, "nmi")
	s.expect("nmi: 4 NMIs so far were not sent by a CPU")
	query(t, socket, 0, "nmi")
	s.expect("nmi: 8 NMIs so far were not sent by a CPU")
	s.say("test stacks\r").expect("ok   stacks")
	s.say("poweroff\r").end(0)
}
