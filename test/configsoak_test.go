//go:build qemu && soak

package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// configurations are the properties of PCs that decide on what is seen of a boot. TestLoaders,
// TestScreens, TestKeyboards, TestSerialPorts and TestOldCPUs are the part for every day.
var configurations = []axis{
	{"boot", []string{"bios", "uefi"}},
	{"media", []string{"cd", "ahci", "nvme", "virtio", "usb2", "usb"}},
	{"machine", []string{"q35", "pc", "isapc"}},
	{"screen", []string{"std", "virtio", "ramfb", "vmware", "none"}},
	{"keyboard", []string{"ps2", "usb", "hub", "none"}},
	{"serial", []string{"com1", "com2", "card", "none"}},
	{"cpu", []string{"max", "core2duo", "Nehalem", "SandyBridge", "Opteron_G1", "EPYC", "max,la57=on"}},
}

// possible tells whether QEMU has such a machine, and whether it shows that it has booted: a PC
// without PCI has no bus for most devices, and cannot switch itself off.
func possible(c map[string]string) bool {
	if c["machine"] == "isapc" && c["screen"] == "none" && c["serial"] == "none" {
		return false
	}
	return c["machine"] != "isapc" ||
		c["boot"] == "bios" && c["media"] == "cd" && slices.Contains([]string{"std", "none"}, c["screen"]) && slices.Contains([]string{"ps2", "none"}, c["keyboard"]) && c["serial"] != "card"
}

// options returns the arguments of qemu-run.sh for a configuration.
func options(c map[string]string) []string {
	machine := c["machine"]
	devices := map[string]string{
		"ps2":  "",
		"usb":  "-device qemu-xhci,id=keys -device usb-kbd,bus=keys.0",
		"hub":  "-device qemu-xhci,id=keys -device usb-hub,bus=keys.0,port=1 -device usb-kbd,bus=keys.0,port=1.1",
		"none": "",
	}[c["keyboard"]]
	if c["keyboard"] != "ps2" {
		machine += ",i8042=off"
	}
	vga := "-vga " + c["screen"]
	if c["screen"] == "ramfb" {
		vga = "-vga none -device ramfb"
	}
	console := c["serial"]
	if console == "card" {
		console, devices = "none", devices+" -chardev stdio,id=card,signal=off -device pci-serial,chardev=card"
	}
	return []string{"--boot", c["boot"], "--media", c["media"], "--machine", machine, "--cpu", c["cpu"], "--console", console,
		"--cpus", map[bool]string{true: "1", false: "2"}[c["machine"] == "isapc"], "--mem", "512", "--qemu", vga + " " + devices}
}

// Every pair of two properties occurs in at least one machine. Each machine shows that it has
// booted on all that it has: the serial port, the screen. It then takes a command from the
// serial port and from the keyboard. One without both goes
// off by a typed poweroff, or without a keyboard by its power button.
func TestSoakConfigurations(t *testing.T) {
	t.Setenv(patience.Variable, "1") // the image has its own command line
	list := pairwise(configurations, possible)
	t.Logf("%d configurations", len(list))
	for _, c := range list {
		var words []string
		for _, a := range configurations {
			words = append(words, c[a.name])
		}
		t.Run(strings.Join(words, " "), func(t *testing.T) {
			m := startScreen(t, options(c)...)
			if c["screen"] == "ramfb" || c["media"] == "usb2" {
				m.slow = 4 // SeaBIOS takes 10 s and more on a quiet host to draw, and to read
			}
			serial, screen, keys := c["serial"] != "none", c["screen"] != "none", c["keyboard"] != "none"
			var seen []string
			if serial {
				m.expect("muster> ").say("uptime\r").expect("\nup ").expect("muster> ")
				seen = append(seen, "prompt on serial")
			}
			if screen && (serial || keys) {
				m.shows("muster>")
				seen = append(seen, "prompt on screen")
			}
			if screen && !serial && !keys {
				m.shows("PASS")
				seen = append(seen, "status screen")
			}
			if screen && keys {
				m.shows(map[string]string{"ps2": "ps2: keyboard", "usb": "0627:0001, a keyboard", "hub": "0627:0001, a keyboard"}[c["keyboard"]])
				m.type_("cpus")
				m.shows("cpus\n", "online")
				seen = append(seen, "keys")
			}
			m.off(c["machine"] != "isapc", serial, keys)
			if !serial && !screen {
				seen = append(seen, map[bool]string{true: "obeys a typed poweroff", false: "obeys the power button"}[keys])
			}
			t.Logf("outcome: | %s | %s |", strings.Join(words, " | "), strings.Join(seen, ", "))
		})
	}
}

// type_ presses the keys of a word, and Enter.
func (m *console) type_(word string) {
	m.t.Helper()
	for _, c := range word {
		m.do("sendkey %c", c)
	}
	m.do("sendkey ret")
}

// off ends a machine by what it has. A machine without screen and serial port does not show when it listens: once the kernel
// runs, it gets the request again and again until it ends. Earlier, the keys would edit an entry of GRUB's menu.
func (m *console) off(acpi, serial, keys bool) {
	m.t.Helper()
	switch {
	case !acpi:
		return // it cannot switch itself off
	case serial:
		m.say("poweroff\r")
	default:
		require.Eventually(m.t, m.inKernel, m.answer(), time.Second)
		require.Eventually(m.t, func() bool {
			if keys {
				fmt.Fprintf(m.monitor, "sendkey ctrl-c\nsendkey p\nsendkey o\nsendkey w\nsendkey e\nsendkey r\nsendkey o\nsendkey f\nsendkey f\nsendkey ret\n")
			} else {
				fmt.Fprintf(m.monitor, "system_powerdown\n")
			}
			return m.gone()
		}, m.answer(), 2*time.Second)
	}
	m.in.Close()
	m.end(0)
	require.True(m.t, m.gone())
}

// inKernel tells whether CPU 0 is in the upper half of the addresses, where the kernel is.
func (m *console) inKernel() bool {
	_, err := fmt.Fprintf(m.monitor, "info registers\n")
	return err == nil && strings.Contains(m.prompt(), "RIP=ffff")
}

// gone tells whether the machine has ended.
func (m *console) gone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open == 0
}
