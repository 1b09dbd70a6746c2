package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"muster/tools/patience"
)

// scrollLines is how many lines the program of scroll writes.
const scrollLines = 10_000

// modes are the screens on which text scrolls: GRUB's name of the mode, and what Linux takes
// there, as measured once.
var modes = []struct{ name, mode, linux string }{
	{"text, 80x25", "text", "-"}, {"1920x1080", "1920x1080x32", "26,252"}, {"3840x2160", "3840x2160x32", "-"},
}

var scrollLine = regexp.MustCompile(`scroll: (\d+) ns`)

// scroll measures a program that writes lines to the console.
func (b *book) scroll() error {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "scroll")
	cmd := exec.Command("go", "build", "-o", exe, "./test/testdata/scroll")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("scroll: %w\n%s", err, text)
	}
	b.line("## Scrolling\n")
	b.line("Millions of instructions for %d lines of 40 letters on average that a program writes to the screen, its own", scrollLines)
	b.line("work and the system calls included, one CPU:\n")
	b.line("    GRUB_MODE=1920x1080x32 %s --boot bios --icount --mem 512 --qemu '-device VGA,vgamem_mb=64' --append console=screen --app scroll %d </dev/null\n", script, scrollLines)
	b.line("| screen | Muster | Linux |\n|---|---:|---:|")
	for _, m := range modes {
		cmd := patience.Command(context.Background(), script, "--boot", "bios", "--icount", "--mem", "512", "--timeout", "300",
			"--qemu", "-device VGA,vgamem_mb=64", "--append", "console=screen", "--app", exe, strconv.Itoa(scrollLines))
		cmd.Env = append(os.Environ(), "GRUB_MODE="+m.mode)
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("scroll on %s: %w\n%s", m.name, err, out)
		}
		found := scrollLine.FindSubmatch(out)
		if found == nil {
			return fmt.Errorf("scroll on %s printed no time:\n%s", m.name, out)
		}
		n, _ := strconv.ParseFloat(string(found[1]), 64)
		b.line("| %s | %.0f | %s |", m.name, n/1e6, m.linux)
	}
	b.line("\nLinux is 6.1 (Debian's cloud kernel) with its framebuffer console on the UEFI firmware's framebuffer, efifb, which")
	b.line("draws all cells for each line. The figure is ten times that of 1,000 lines; 500 lines take 1,223. An init that mounts devtmpfs")
	b.line("ran the same program with /dev/tty1 as its standard error:\n")
	b.line("    qemu-system-x86_64 -accel tcg -icount shift=0,sleep=off -cpu max -m 512 -bios OVMF.fd -vga none -device VGA,vgamem_mb=64,xres=1920,yres=1080 -kernel vmlinuz -initrd init.cpio -append 'console=ttyS0 console=tty0 tsc=reliable mitigations=off nokaslr'\n")
	return nil
}
