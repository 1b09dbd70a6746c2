//go:build qemu

package test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/screen"
	"muster/test/picture"
)

// console is a machine whose screen is read through QEMU's monitor.
type console struct {
	*session
	dir     string
	monitor net.Conn
	answers *bufio.Reader
	fonts   map[string]picture.Font
	missing string // what shows waits for
}

// startScreen boots a machine with a monitor.
func startScreen(t *testing.T, args ...string) *console {
	t.Helper()
	dir, err := os.MkdirTemp("", "screen") // t.TempDir is too long for a socket's name
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "monitor")
	args = append([]string{"--qemu", "-monitor unix:" + socket + ",server=on,wait=off"}, args...)
	m := &console{session: start(t, args...), dir: dir, fonts: map[string]picture.Font{}}
	require.Eventually(t, func() bool {
		m.monitor, err = net.Dial("unix", socket)
		return err == nil
	}, answer(), 20*time.Millisecond, "no monitor")
	t.Cleanup(func() {
		m.monitor.Close()
		if t.Failed() {
			t.Log(m.missing)
		}
	})
	m.answers = bufio.NewReader(m.monitor)
	m.prompt()
	return m
}

const monitorPrompt = "(qemu) "

// prompt waits for the monitor's prompt, and returns what came before it.
func (m *console) prompt() string {
	m.t.Helper()
	require.NoError(m.t, m.monitor.SetReadDeadline(time.Now().Add(answer())))
	var got []byte
	for !bytes.HasSuffix(got, []byte(monitorPrompt)) {
		b, err := m.answers.ReadByte()
		require.NoError(m.t, err, "%s", got)
		got = append(got, b)
	}
	return string(got)
}

// do gives the monitor a command.
func (m *console) do(format string, args ...any) {
	m.t.Helper()
	_, err := fmt.Fprintf(m.monitor, format+"\n", args...)
	require.NoError(m.t, err)
	answer := m.prompt()
	require.NotContains(m.t, answer, "rror", answer)
}

// dump returns what the screen shows.
func (m *console) dump() picture.Picture {
	m.t.Helper()
	file := filepath.Join(m.dir, "dump.ppm")
	m.do("screendump %s", file)
	f, err := os.Open(file)
	require.NoError(m.t, err)
	defer f.Close()
	p, err := picture.ReadPPM(f)
	require.NoError(m.t, err)
	return p
}

// ownFont is the kernel's font.
func ownFont() picture.Font {
	f := picture.Font{}
	for i := len(screen.Font) - 1; i >= 0; i-- { // of two that look alike the first
		f[screen.Font[i].Rows] = screen.Font[i].Rune
	}
	return f
}

// letterA is the letter A in the font of a VGA's firmware, which begins with character 0.
var letterA = []byte{0, 0, 0x10, 0x38, 0x6c, 0xc6, 0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0xc6, 0, 0, 0, 0}

// codeMissing is the code of letters that a text mode does not have.
const codeMissing = 0xfe

// biosFont is the font of the text mode: that of the VGA's firmware, in the machine's memory.
func (m *console) biosFont() picture.Font {
	m.t.Helper()
	file := filepath.Join(m.dir, "rom")
	m.do("pmemsave 0xc0000 0x40000 %q", file) // without quotes the monitor divides
	rom, err := os.ReadFile(file)
	require.NoError(m.t, err)
	at := bytes.Index(rom, letterA) - 16*'A'
	require.Positive(m.t, at, "the firmware's font")
	f := picture.Font{}
	for i := len(screen.Font) - 1; i >= 0; i-- {
		if g := screen.Font[i]; g.Code >= ' ' && g.Code != codeMissing {
			f[picture.Rows(rom[at+16*int(g.Code):])] = g.Rune
		}
	}
	return f
}

// read returns the cells that the screen shows.
func (m *console) read() [][]picture.Cell {
	m.t.Helper()
	p := m.dump()
	if p.Height == 400 && (p.Width == 720 || p.Width == 640) { // a text mode; the ninth column is beside the letter
		return p.Cells(m.font("bios", m.biosFont), p.Width/80, 16)
	}
	z := 1
	if p.Width >= 2560 {
		z = 2
	}
	return p.Cells(m.font("own", ownFont), 8*z, 16*z)
}

func (m *console) font(name string, read func() picture.Font) picture.Font {
	if m.fonts[name] == nil {
		m.fonts[name] = read()
	}
	return m.fonts[name]
}

// shows waits until the screen shows a text.
func (m *console) shows(texts ...string) string {
	m.t.Helper()
	shown := ""
	require.Eventually(m.t, func() bool {
		shown = picture.Text(m.read())
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				m.missing = fmt.Sprintf("%q is not on the screen:\n%s", text, shown)
				return false
			}
		}
		m.missing = ""
		return true
	}, m.answer(), 100*time.Millisecond)
	return shown
}

// Every kind of screen shows the log, the prompt, what is typed, and what a command prints.
// A line of the log may come between the prompt and what is typed, so the prompt is looked for by itself.
func TestScreens(t *testing.T) {
	for name, tc := range map[string]struct {
		args       []string
		mode       string
		says       string
		cols, rows int
	}{
		"PVH, text mode":  {[]string{"--qemu", "-vga std"}, "", "screen: text mode of 80x25", 80, 25},
		"BIOS, preferred": {[]string{"--boot", "bios", "--qemu", "-vga std"}, "", "screen: 1280x800 pixels of 32 bits", 160, 50},
		"BIOS, 24 bits":   {[]string{"--boot", "bios", "--qemu", "-vga std"}, "800x600x24", "screen: 800x600 pixels of 24 bits", 100, 37},
		"BIOS, text mode": {[]string{"--boot", "bios", "--qemu", "-vga std"}, "text", "screen: text mode of 80x25", 80, 25},
		"BIOS, doubled":   {[]string{"--boot", "bios", "--qemu", "-device VGA,vgamem_mb=64"}, "2560x1600x32", "screen: 2560x1600 pixels of 32 bits", 160, 50},
		"BIOS, virtio":    {[]string{"--boot", "bios", "--qemu", "-vga virtio"}, "", " pixels of ", 0, 0},
		"UEFI":            {[]string{"--boot", "uefi", "--qemu", "-vga std"}, "", "screen: 1280x800 pixels of 32 bits", 160, 50},
		"UEFI, ramfb":     {[]string{"--boot", "uefi", "--qemu", "-vga none -device ramfb"}, "", " pixels of 32 bits", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startScreen(t, append([]string{"GRUB_MODE=" + tc.mode, "--cpus", "2"}, tc.args...)...)
			m.expect("muster> ")
			m.shows("muster>")
			require.Contains(t, m.log(), tc.says)
			m.expectReady()
			m.types("uptime\n")
			shown := m.shows("uptime\nup ", "help lists the commands")
			if tc.cols != 0 {
				rows := m.read()
				require.Len(t, rows, tc.rows)
				require.Len(t, rows[0], tc.cols)
			}
			if tc.rows > 25 {
				require.Contains(t, shown, "smp: 2 of 2 CPUs online")
			}
			require.LessOrEqual(t, strings.Count(shown, string(picture.Unknown)), 1, "every cell is a letter, except the one with the cursor of a text mode")
			m.say("poweroff\r").end(0)
		})
	}
}

// Without a screen nothing is lost but the screen.
func TestScreenNone(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"PVH":  {"--boot", "pvh"},
		"BIOS": {"--boot", "bios"},
		"UEFI": {"--boot", "uefi"},
	} {
		t.Run(name, func(t *testing.T) {
			r := boot(t, append(args, "--cpus", "2", "--append", "console=screen", "--run", "uptime")...).ok()
			r.has("screen: none; console=screen has no effect", "uptime\nup ")
		})
	}
}

// A panic is on the screen, white on red, with what came before it.
func TestScreenPanic(t *testing.T) {
	for name, args := range map[string][]string{
		"text mode":   {"--qemu", "-vga std"},
		"framebuffer": {"--boot", "bios", "--qemu", "-vga std"},
	} {
		t.Run(name, func(t *testing.T) {
			// A CPU that is not a virtual one does not end QEMU.
			m := startScreen(t, append([]string{"--cpus", "2", "--cpu", "max,-hypervisor"}, args...)...)
			m.expect("muster> ")
			m.expectReady()
			m.types("crash nil\n")
			m.expect("last events of cpu0")
			shown := m.shows(", stopped at") // the other CPU: the command runs on either
			require.NotContains(t, shown, "last events", "the trace is for the serial port")
			if name == "framebuffer" {
				require.Contains(t, shown, "crash nil") // and beside it the QR code
				require.Contains(t, shown, "PANIC on cpu")
				require.Contains(t, shown, "muster/kernel/selftest.")
			}
			red := 0
			for _, row := range m.read() {
				for _, c := range row {
					if g := c.Ground; g>>16 > 0x80 && g>>8&0xff < 0x60 {
						red++
					}
				}
			}
			require.Greater(t, red, 80, "cells on red")
		})
	}
}

// With console=screen nothing goes to the serial port; with console=serial nothing to the
// screen.
func TestScreenChosen(t *testing.T) {
	m := startScreen(t, "--cpus", "2", "--qemu", "-vga std", "--append", "console=screen")
	m.shows("muster>")
	m.say("uptime\r")
	m.shows("uptime\nup ")
	require.Empty(t, m.log())
	m.say("poweroff\r").end(0)
	require.Empty(t, m.log())

	m = startScreen(t, "--cpus", "2", "--qemu", "-vga std", "--append", "console=serial")
	m.expect("muster> ")
	require.NotContains(t, picture.Text(m.read()), "cpu0: ")
	m.say("poweroff\r").end(0)
}

// A CPU that cannot run the kernel: the stub in 32-bit code shows the reason.
func TestScreenRefusal(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"PVH, text mode":    {"--qemu", "-vga std"},
		"BIOS, framebuffer": {"--boot", "bios", "--qemu", "-vga std"},
		"UEFI, framebuffer": {"--boot", "uefi", "--qemu", "-vga std"},
	} {
		t.Run(name, func(t *testing.T) {
			m := startScreen(t, append([]string{"--cpus", "1", "--cpu", "max,-sse2,-hypervisor"}, args...)...)
			m.expect("muster: this CPU has no SSE2")
			m.shows("muster: this CPU has no SSE2")
		})
	}
}

// No step of drawing is long: 10,000 lines, fewer on the slowest screens and in make test, scroll under a limit
// for the time with interrupts off, and the last of them are shown.
func TestScreenScroll(t *testing.T) {
	for mode, lines := range map[string]int{"text": length(1500, 10_000), "1920x1080x32": length(1500, 10_000), "2560x1600x32": length(1000, 10_000), "3840x2160x32": length(1000, 2000), "1024x768x24": 2000} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := startScreen(t, "GRUB_MODE="+mode, "--boot", "bios", "--qemu", "-device VGA,vgamem_mb=64", "--icount", "--mem", "512",
				"--kernel", filepath.Join(root, "build", "kernel-debug.elf"), "--append", "stretch=100000 console=screen",
				"--app", build(t, "build", "./testdata/scroll"), strconv.Itoa(lines))
			m.expect("scroll: ")
			if mode != "text" {
				p := m.dump()
				require.True(t, strings.HasPrefix(mode, fmt.Sprintf("%dx%dx", p.Width, p.Height)), "%d by %d pixels", p.Width, p.Height)
			}
			m.shows(fmt.Sprintf("\nline %d the quick brown fox the quick brown fox\nline %d the quick brown fox the quick brown fox the quick brown fox\n", lines-2, lines-1))
			m.in.Close()
			m.end(0)
		})
	}
}
