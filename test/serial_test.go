//go:build qemu

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serialFile is QEMU's options for a serial port whose output goes to a file.
func serialFile(t *testing.T, device string) (options []string, file string) {
	file = filepath.Join(t.TempDir(), "port")
	return []string{"--qemu", "-chardev file,id=beside,path=" + file + " -device isa-serial,chardev=beside," + device}, file
}

// content returns what a port sent.
func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r", "")
}

// The shell is on the first port that answers, by its interrupt or by polling.
func TestSerialPorts(t *testing.T) {
	for port, says := range map[string]string{
		"com1": "serial: console at 0x3f8, ports with the log beside it: 0",
		"com2": "serial: console at 0x2f8, ports with the log beside it: 0",
		"com3": "serial: console at 0x3e8, ports with the log beside it: 0",
		"com4": "serial: console at 0x2e8, ports with the log beside it: 0",
	} {
		t.Run(port, func(t *testing.T) {
			s := start(t, "--cpus", "1", "--console", port)
			s.expect("muster: Muster").expect(says).expect("muster> ").say("uptime\r").expect("\nup ").
				say("serial\r").expect("console").expect("muster> ").say("poweroff\r").end(0)
		})
	}
}

// A machine without a serial port runs, and nothing waits for one.
func TestNoSerialPort(t *testing.T) {
	require.Empty(t, boot(t, "--console", "none", "--run", "test basics").ok().log)
}

// A second port has the console's bytes from the first line to the last, and a panic.
func TestTwoSerialPorts(t *testing.T) {
	t.Run("log", func(t *testing.T) {
		options, file := serialFile(t, "index=2")
		r := boot(t, append(options, "--run", "cpus; dmesg; uptime")...).ok().has("ports with the log beside it: 1", "\nup ")
		require.Equal(t, r.log, content(t, file))
	})
	t.Run("panic", func(t *testing.T) {
		options, file := serialFile(t, "index=1")
		r := boot(t, append(options, "--run", "crash nil")...)
		require.Equal(t, 125, r.status)
		r.has("PANIC on cpu")
		require.Contains(t, content(t, file), "PANIC on cpu")
	})
	// The ports of a program have the program's bytes alone.
	t.Run("program", func(t *testing.T) {
		r := boot(t, "--app", build(t, "build", "./testdata/job"), "now").ok()
		require.Equal(t, "job now: done\n", r.out)
		r.has("ports with the log beside it: 0")
	})
}

// A PC without an I/O APIC: the shell polls its port.
func TestISAPC(t *testing.T) {
	s := start(t, "--boot", "bios", "--machine", "isapc", "--cpus", "1", "--cpu", "max,-apic")
	s.expect("muster> ").say("uptime\r").expect("\nup ").say("test basics\r").expect("ok   basics").expect("muster> ")
	s = start(t, "--boot", "bios", "--machine", "isapc", "--cpus", "1")
	s.expect("it is polled").expect("muster> ").say("uptime\r").expect("\nup ").expect("muster> ")
}

// spcrTable is a table that names a 16550 at I/O port 0x2a0.
func spcrTable(t *testing.T) string {
	b := make([]byte, 80)
	copy(b, "SPCR")
	b[4], b[8] = byte(len(b)), 2
	copy(b[10:], "MUSTERMUSTERST")
	b[40], b[41], b[43], b[44], b[45] = 1, 8, 1, 0xa0, 0x02
	sum := byte(0)
	for _, v := range b {
		sum += v
	}
	b[9] = -sum
	path := filepath.Join(t.TempDir(), "spcr")
	require.NoError(t, os.WriteFile(path, b, 0o644))
	return path
}

// A port at another address is found by the firmware's table, and gets the log so far. If
// there is no other port, it is the console.
func TestSPCR(t *testing.T) {
	options, file := serialFile(t, "iobase=0x2a0,irq=5")
	options = append(options, "--qemu", "-acpitable file="+spcrTable(t))
	r := boot(t, append(options, "--run", "acpi SPCR; uptime")...).ok().has("serial: SPCR names the port at I/O 0x2a0, 8 bits: it has the log")
	require.Equal(t, r.log, content(t, file))

	boot(t, append(options, "--console", "none", "--run", "uptime")...).ok()
	text := content(t, file)
	require.Contains(t, text, "cpu0: muster: Muster")
	require.Contains(t, text, "serial: console at 0x2a0")
	require.Contains(t, text, "muster> uptime\nup ")
}

// The ports of a PCI card have the log, and the first has the shell if there is no other port.
func TestPCISerial(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		s := start(t, "--console", "none", "--qemu", "-chardev stdio,id=card,signal=off -device pci-serial,chardev=card,addr=4")
		s.expect("muster: Muster").expect("serial: card at 00:04.0: the port at I/O 0xc").expect("serial: console at 0xc").
			expect("muster> ").say("uptime\r").expect("\nup ").say("poweroff\r").end(0)
	})
	t.Run("four ports", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "port")
		s := start(t, "--console", "none", "--machine", "pc", "--qemu",
			"-chardev stdio,id=card,signal=off -chardev file,id=beside,path="+file+" -device pci-serial-4x,chardev1=card,chardev4=beside")
		s.expect("ports with the log beside it: 3").expect("muster> ").say("uptime\r").expect("\nup ").say("poweroff\r").end(0)
		require.Equal(t, s.log(), content(t, file))
	})
	t.Run("beside COM1", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "port")
		r := boot(t, "--qemu", "-chardev file,id=beside,path="+file+" -device pci-serial-2x,chardev2=beside", "--run", "uptime; crash nil")
		require.Equal(t, 125, r.status)
		r.has("ports with the log beside it: 2", "\nup ", "PANIC on cpu")
		text := content(t, file)
		require.Contains(t, text, "cpu0: muster: Muster", "the log from the first line on")
		require.Contains(t, text, "\nup ")
		require.Contains(t, text, "PANIC on cpu")
	})
}
