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

// NMIs that hit a program with a CS that the kernel did not choose, as QEMU lets it load:
// the way back from the NMI loads the program's own.
func TestNMIWithForeignCS(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "monitor")
	s := start(t, "--cpus", "1", "--qemu", "-monitor unix:"+socket+",server=on,wait=off -initrd "+build(t, "build", "./testdata/hostile"))
	s.expect("muster> ").say("app hostile cs-always\r").expect("hostile: loads CS")
	for range 30 {
		query(t, socket, 0, "nmi")
	}
	s.say("\x03").expect("hostile cs-always: status 130")
	s.say("poweroff\r").end(0)
}
