//go:build qemu

package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/test/picture"
)

// expectReady waits until the screen has a prompt, and the PS/2 keyboard can be used.
func (m *console) expectReady() {
	m.t.Helper()
	m.shows("muster>")
	before := m.seen
	m.seen = 0
	m.expect("ps2: keyboard")
	m.seen = max(before, m.seen)
}

// types presses the keys for a line, two at a time, and waits until the screen shows them after the
// prompt.
func (m *console) types(line string) {
	m.t.Helper()
	for i, r := range line {
		name := names[r]
		if name == "" {
			name = string(r)
		}
		m.do("sendkey %s 1", name)
		if i%2 == 1 && r != '\n' {
			m.shows("muster> " + strings.TrimRight(line[:i+1], " "))
		}
	}
}

// lastLine returns the last line that the screen shows.
func (m *console) lastLine() string {
	m.t.Helper()
	lines := strings.Split(strings.TrimRight(picture.Text(m.read()), " \n"), "\n")
	return strings.TrimRight(lines[len(lines)-1], " "+string(picture.Unknown))
}

// The screen with its keyboard, and the serial port, have a session each: lines that are typed on both
// at once, their results, programs and control-C. The log is on both, and does not tear a line.
func TestSessions(t *testing.T) {
	t.Parallel()
	m := startScreen(t, "--boot", "bios", "--image", stick(t, build(t, "build", "./testdata/job"), nil), "--cpus", "2", "--qemu", "-vga std")
	m.expect("executed automatically in").say("\r").expect("muster> ")
	m.expectReady()

	const here, there = "onscreen", "onserial" // no commands
	for i := range here {
		m.types(here[i : i+1])
		m.say(there[i : i+1])
		if i%2 == 1 {
			m.shows("muster> " + here[:i+1])
		}
	}
	m.say("\r").expect(there + ": unknown command").expect("muster> ")
	m.types("\n")
	shown := m.shows(here + ": unknown command")
	require.NotContains(t, shown, there)
	require.NotContains(t, m.log(), here)

	m.types("jobs")
	m.say("run job back &\r").expect("[1] process").expect("job back: ready\n").expect("muster> ") // the log has a line then
	m.shows("is \"job back\"\nmuster> jobs")
	require.Equal(t, "muster> jobs", m.lastLine())
	m.say("upt").expect("upt")
	m.types("\n") // those of the other session are not listed
	m.shows("muster> jobs\n  JOB", "PROGRAM\nmuster>")
	m.types("run job front\n")
	shown = m.shows("job front: ready")
	require.NotContains(t, shown, "job back: ready")
	m.expect("is \"job front\"\nmuster> upt").say("ime\r").expect("\nup ").expect("muster> ")

	m.say("\x03\x03").expect("muster> ").say("ps\r").expect(" job ").expect(" job ").expect("muster> ")
	m.do("sendkey ctrl-c 1")
	m.shows("job front: interrupt\nrun: job: status 5\nmuster>")
	m.say("kill 1").expect("kill 1").say("\r").expect("job back: terminated\n").expect("muster> ")
	m.say("wait\r").expect("wait").expect("muster> ").say("jobs\r").expect("ended").expect("muster> ")
	require.NotContains(t, m.log(), "job front: ready")
	require.NotContains(t, picture.Text(m.read()), "terminated")
	m.types("poweroff\n")
	m.end(0)
}
