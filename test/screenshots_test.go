//go:build qemu && screenshots

package test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// TestScreenshots makes the pictures of chapter 14, one of each kind of screen.
func TestScreenshots(t *testing.T) {
	pixels := []string{"--boot", "bios", "--qemu", "-vga std -rtc base=2026-01-01"}
	text := []string{"--qemu", "-vga std -rtc base=2026-01-01"}
	for _, s := range []struct {
		name string
		args []string
		look func(m *console)
	}{
		{"boot", append(pixels, "--cpus", "4"), func(m *console) {
			m.expectReady()
			m.types("cpus\n")
			m.shows("muster> cpus\n", "IDLE-S", "\nmuster>")
		}},
		{"text", append(text, "--cpus", "4"), func(m *console) { m.shows("muster>") }},
		{"status", append(pixels, "--cpus", "4", "--console", "none", "--machine", "q35,i8042=off"), func(m *console) {
			m.large("PASS", pixelGreen, 2)
			m.shows("the demonstration passed")
		}},
		{"crash", append(pixels, "--cpus", "4", "--cpu", "max,-hypervisor"), func(m *console) {
			m.expectReady()
			m.types("crash nil\n")
			m.expect("last events of cpu0")
			m.shows(", stopped at")
		}},
		{"top", append(text, "--cpus", "8"), func(m *console) {
			m.expectReady()
			m.types("top\n")
			m.shows("CPUs: 8 of 8 online", "\n   7 ")
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			m := startScreen(t, append([]string{"GRUB_MODE=1024x768x32"}, s.args...)...)
			s.look(m)
			m.save(s.name)
		})
	}
	t.Run("menu", func(t *testing.T) {
		m := startScreen(t, patience.Variable+"=1", "--boot", "bios", "--cpus", "1", "--menu", "--qemu", "-vga std") // a slow host would make the script tell the kernel of it
		m.expect("Muster, verbose (loglevel=8)").expect("executed automatically in")
		m.save("menu")
	})
}

// save writes what the screen shows to a file of the docs.
func (m *console) save(name string) {
	m.t.Helper()
	p := m.dump()
	f, err := os.Create(filepath.Join(root, "docs", "screens", name+".png"))
	require.NoError(m.t, err)
	require.NoError(m.t, p.WritePNG(f))
	require.NoError(m.t, f.Close())
}
