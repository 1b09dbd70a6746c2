//go:build qemu

package test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// keyboards are the ways to have one keyboard. Each machine's log has the line when it is
// ready.
var keyboards = []struct {
	name  string
	ready string
	args  []string
}{
	{"ps2", "ps2: keyboard, layout %s, scancode set 1, translated\n", nil},
	{"ps2set2", "ps2: keyboard, layout %s, scancode set 2\n", []string{"--append", "ps2=set2"}},
	{"ps2pc", "ps2: keyboard, layout %s, scancode set 1, translated\n", []string{"--machine", "pc"}},
	{"usb", usbReady, []string{"--machine", "q35,i8042=off", "--qemu", "-device qemu-xhci -device usb-kbd"}},
	{"usbhub", usbReady, []string{"--machine", "q35,i8042=off", "--qemu", "-device qemu-xhci,id=x -device usb-hub,bus=x.0,port=1 -device usb-hub,bus=x.0,port=1.3 -device usb-kbd,bus=x.0,port=1.3.2"}},
	{"usbpolled", usbReady, []string{"--machine", "q35,i8042=off", "--qemu", "-device qemu-xhci,msi=off,msix=off -device usb-kbd"}},
	{"usbmsi", usbReady, []string{"--machine", "pc,i8042=off", "--qemu", "-device qemu-xhci,msi=on,msix=off -device usb-kbd"}},
	{"ps2polled", "ps2: keyboard, layout %s, scancode set 1, translated\n", []string{"--machine", "isapc", "--cpus", "1"}},
	{"ps2noapic", "ps2: keyboard, layout %s, scancode set 1, translated\n", []string{"--machine", "isapc", "--cpu", "max,-apic", "--cpus", "1"}},
}

// usbReady is in the log when a USB keyboard can be used.
const usbReady = "0627:0001, a keyboard\n"

// twoKinds is a PS/2 and a USB keyboard.
func twoKinds() []int { return []int{0, 3} }

// typing boots a machine with a keyboard, and waits for the prompt and the keyboard. The log names a PS/2 keyboard
// when the commands that turn it on are on their way: typing presses control-C and a letter until the letter is alone
// after a prompt. A prompt by itself says nothing, because a log line of the keyboard is followed by the prompt again.
// QEMU sends what press gives it later, in order, and what key gives it at once: the letter shows that control-C is over.
func typing(t *testing.T, layout, ready string, args ...string) (*session, *qmp) {
	q, socket := withQMP(t)
	s := start(t, append(append(socket, "--append", "keys="+layout), args...)...)
	s.expect("muster> ")
	s.seen = 0
	s.expect(strings.ReplaceAll(ready, "%s", layout))
	s.seen = len(s.log())
	const tries = 4
	for range tries {
		q.press("ctrl-c", "j")
		if s.within(patience.For(5*time.Second), "muster> j") {
			q.press("ctrl-c")
			s.expect("muster> ")
			return s, q
		}
	}
	require.Fail(t, "no key arrives", "%d tries", tries)
	return nil, nil
}

// types presses the keys for a text, two at a time, and waits for their echo. QEMU's PS/2
// keyboard holds 16 bytes, two keys with Shift have 12, and it drops further ones; a crowded
// host may stop the machine at any time.
func (s *session) types(q *qmp, text string) {
	s.t.Helper()
	for len(text) > 0 {
		n := min(2, len(text))
		q.text(text[:n])
		for _, r := range text[:n] {
			s.expect(string(r))
		}
		text = text[n:]
	}
}

// What is typed on a keyboard reaches the shell: capitals, signs, Caps Lock, cursor keys
// and Control-C as at the serial port.
func TestKeyboards(t *testing.T) {
	t.Parallel()
	for _, k := range keyboards {
		t.Run(k.name, func(t *testing.T) {
			s, q := typing(t, "us", k.ready, k.args...)
			s.types(q, "help\n")
			s.expect("list commands, or explain one").expect("muster> ")
			s.types(q, "Up")
			q.press("shift-semicolon", "caps_lock", "t")
			s.expect(":T")
			q.press("i", "m")
			s.expect("IM")
			q.press("shift-e", "caps_lock", "x")
			s.expect("ex")
			s.types(q, "\n")
			s.expect("Up:TIMex: unknown command").expect("muster> ")
			s.types(q, "ptime")
			q.press("home", "u")
			s.expect("\x1b[5Du")
			q.press("end", "ret")
			s.expect("up ").expect("muster> ")
			s.types(q, "dropped")
			q.press("ctrl-c")
			s.expect("muster> ")
			s.types(q, "uptime\n")
			s.expect("up ").expect("muster> ")
			s.say("upt").expect("upt") // by the serial port, together with the keyboard
			s.types(q, "ime\n")
			s.expect("up ").expect("muster> ")
		})
	}
}

// The German layout: exchanged and own letters, signs of the third level, dead keys.
func TestKeyboardDE(t *testing.T) {
	for _, i := range twoKinds() {
		k := keyboards[i]
		t.Run(k.name, func(t *testing.T) {
			s, q := typing(t, "de", k.ready, k.args...)
			for _, x := range [][2]string{{"z", "y"}, {"y", "z"}, {"semicolon", "ö"}, {"shift-apostrophe", "Ä"}, {"minus", "ß"}, {"alt_r-q", "@"},
				{"alt_r-7", "{"}, {"slash", "-"}, {"less", "<"}, {"alt_r-less", "|"}, {"alt_r-e", "€"}} {
				q.press(x[0])
				s.expect(x[1])
			}
			q.press("equal", "e")
			s.expect("é")
			q.press("ret")
			s.expect("yzöÄß@{-<|€é: unknown command")
		})
	}
}

// A key that is held comes again as often as the keyboard says, and a held Shift or Caps
// Lock does not.
func TestKeyRepeat(t *testing.T) {
	s, q := typing(t, "us", keyboards[0].ready)
	q.key("shift", true).key("shift", true)
	for range 3 {
		q.key("k", true)
		s.expect("K")
	}
	q.key("k", false).key("caps_lock", true).key("caps_lock", true).key("caps_lock", true).key("shift", false)
	q.press("q")
	s.expect("Q")
	q.press("ret")
	s.expect("KKKQ: unknown command")
}

// Of 1,000 keys, 300 in make test, none is lost, and none comes twice. Each pair is as fast as QEMU gives it.
func TestThousandKeys(t *testing.T) {
	t.Parallel()
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for _, i := range twoKinds() {
		k := keyboards[i]
		t.Run(k.name, func(t *testing.T) {
			s, q := typing(t, "us", k.ready, k.args...)
			var want strings.Builder
			for i := range length(150, 500) {
				a, b := letters[i%62:i%62+1], letters[i*i%62:i*i%62+1]
				s.types(q, a+b)
				want.WriteString(a + b)
			}
			q.press("ret")
			s.expect(": unknown command")
			require.Contains(t, s.log(), "\n"+want.String()+": unknown command")
		})
	}
}

// Control-Alt-Delete restarts the machine, which ends QEMU here.
func TestControlAltDelete(t *testing.T) {
	t.Parallel()
	for _, k := range keyboards {
		t.Run(k.name, func(t *testing.T) {
			s, q := typing(t, "us", k.ready, k.args...)
			q.press("ctrl-delete") // not yet
			s.types(q, "x")
			q.press("alt-delete")
			s.types(q, "y")
			q.key("ctrl", true).key("alt", true).key("delete", true)
			s.end(0)
		})
	}
}

// Without a controller there is one line, and the serial port works on.
func TestNoController(t *testing.T) {
	for name, tc := range map[string]struct {
		line string
		args []string
	}{
		"firmware says so": {"ps2: not used: the firmware says that there is no controller\n", []string{"--machine", "q35,i8042=off"}},
		"microvm":          {"ps2: not used: ", []string{"--machine", "microvm"}},
		"without ACPI":     {"ps2: not used: no controller answers\n", []string{"--machine", "q35,i8042=off,acpi=off"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, tc.args...)
			s.expect("muster> ")
			s.seen = 0
			s.expect(tc.line)
			s.say("uptime\r").expect("up ")
			require.Equal(t, 1, strings.Count(s.log(), "ps2: "))
		})
	}
}

// A machine without an interrupt of the port, and without a keyboard, takes what comes by
// polling, and runs on.
func TestPolledPortAlone(t *testing.T) {
	s := start(t, "--machine", "microvm,acpi=off")
	s.expect("it is polled: ").expect("muster> ").say("uptime\r").expect("\nup ").expect("muster> ")
	require.Never(t, func() bool { return strings.Contains(s.log(), "fatal error") || strings.Contains(s.log(), "PANIC") },
		patience.For(2*time.Second), patience.For(50*time.Millisecond))
}

// A USB keyboard does not repeat by itself: the driver does. It stops when the key goes up,
// and when the keyboard is pulled out.
func TestUSBKeyRepeat(t *testing.T) {
	s, q := typing(t, "us", usbReady, "--machine", "q35", "--qemu", "-device qemu-xhci,id=x -device usb-kbd,id=k,bus=x.0")
	q.key("x", true)
	s.expect("xxx")
	q.key("x", false)
	q.press("q")
	s.expect("q")
	q.press("ret")
	s.expect("xq: unknown command").expect("muster> ")
	q.key("y", true)
	s.expect("yy")
	q.do("device_del", map[string]any{"id": "k"})
	s.expect("unplugged\n")
	s.types(q, "z") // by the PS/2 keyboard
	s.types(q, "w")
	require.Contains(t, s.log()[s.seen-2:], "zw", "no key repeats between them")
}

// A keyboard is plugged in and pulled out while the machine runs, at the controller and at
// a hub; then the hub itself is pulled out.
func TestUSBHotPlug(t *testing.T) {
	q, socket := withQMP(t)
	s := start(t, append(socket, "--machine", "q35,i8042=off", "--qemu", "-device qemu-xhci,id=x")...)
	s.expect("muster> ")
	for _, port := range []string{"1", "2.1", "2.4"} {
		if port == "2.1" {
			q.do("device_add", map[string]any{"driver": "usb-hub", "id": "h", "bus": "x.0", "port": "2"})
			s.expect("a hub\n")
		}
		for range 3 {
			q.do("device_add", map[string]any{"driver": "usb-kbd", "id": "k", "bus": "x.0", "port": port})
			s.expect(usbReady)
			s.types(q, "uptime\n")
			s.expect("up ").expect("muster> ")
			q.do("device_del", map[string]any{"id": "k"})
			s.expect("unplugged\n")
		}
	}
	q.do("device_add", map[string]any{"driver": "usb-kbd", "id": "k", "bus": "x.0", "port": "2.3"})
	s.expect(usbReady)
	q.do("device_del", map[string]any{"id": "h"})
	s.expect("unplugged\n")
	q.do("device_add", map[string]any{"driver": "usb-kbd", "id": "k2", "bus": "x.0", "port": "3"})
	s.expect(usbReady)
	s.types(q, "uptime\n")
	s.expect("up ")
}
