// Command bench measures the kernel in QEMU and writes docs/measurements.md:
// instruction counts under -icount, medians of 5 seeds; times by the clock, medians
// of 9. Each number stands beside the command that prints it again.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/kernel/ktest"
	"muster/kernel/shell"
	"muster/tools/patience"
)

const script = "scripts/qemu-run.sh"

func main() {
	out := flag.String("o", "docs/measurements.md", "page to write")
	quick := flag.Bool("quick", false, "one seed and three boots: to try the tool")
	part := flag.String("part", "", "print these parts alone, a list: operations, calls, programs, timers, clock, boot, start, scroll, idle, conflicts, locked, core")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bench [-o FILE] [-quick] [-part LIST]\nIt measures the kernel in QEMU, and writes a page. MUSTER_KBENCH names the folder of kbench.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	b := &book{seeds: 5, boots: 9}
	if *quick {
		b.seeds, b.boots = 1, 3
	}
	if *part != "" {
		err := b.parts(*part)
		fmt.Print(b.String())
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := b.write(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}

// book is the page that bench writes.
type book struct {
	strings.Builder
	seeds, boots int
}

func (b *book) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

func (b *book) write() error {
	b.line("# Measurements\n")
	b.line("Written by `make bench`. Under `--icount` QEMU's clock advances one nanosecond an")
	b.line("instruction, so a cost is a count, exact and repeatable; TCG counts every iteration of")
	b.line("a REP instruction. Times by the clock depend on the host and are for comparison within")
	b.line("one column.\n")
	b.line("Host: %s, %d CPUs. %s, accelerator TCG. %s.\n", cpuModel(), hostCPUs(), qemuVersion(), runtime.Version())
	return b.parts("")
}

// parts writes the parts of the page, or those in a list of names.
func (b *book) parts(list string) error {
	all := []struct {
		name string
		run  func() error
	}{
		{"operations", b.operations}, {"calls", b.calls}, {"programs", b.programs}, {"timers", b.timers}, {"clock", b.clock},
		{"boot", b.boot}, {"start", b.bringUp}, {"scroll", b.scroll}, {"idle", b.idle}, {"conflicts", b.conflicts}, {"locked", b.locked}, {"core", b.core},
	}
	for _, part := range all {
		if list == "" || slices.Contains(strings.Split(list, ","), part.name) {
			if err := part.run(); err != nil {
				return err
			}
		}
	}
	return nil
}

// operations measures the kernel's own Go code in ring 0.
func (b *book) operations() error {
	values := map[string][]float64{}
	var names []string
	for seed := 1; seed <= b.seeds; seed++ {
		text, err := run("--boot", "pvh", "--icount", "--timeout", "200", "--qemu", fmt.Sprintf("-seed %d", seed), "--run", "bench -json")
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(text, "muster> bench -json\n")
		var all []ktest.Measurement
		if err := json.NewDecoder(strings.NewReader(after)).Decode(&all); err != nil {
			return fmt.Errorf("bench -json: %w", err)
		}
		for _, m := range all {
			if values[m.Name] == nil {
				names = append(names, m.Name)
			}
			values[m.Name] = append(values[m.Name], m.Value)
		}
	}
	b.line("## Operations, in the kernel's own Go code\n")
	b.line("Instructions per operation, one CPU, median of %d seeds (lowest to highest):\n", b.seeds)
	b.line("    %s --boot pvh --icount --qemu '-seed N' --run bench\n", script)
	b.line("| operation | instructions | range |\n|---|---:|---|")
	for _, n := range names {
		v := values[n]
		b.line("| %s | %.1f | %.1f to %.1f |", n, median(v), slices.Min(v), slices.Max(v))
	}
	b.line("")
	return nil
}

// peers are the figures of Linux 6.1 on the same emulator, as published with
// kbench, and the aims of this kernel.
var peers = []struct {
	name          string
	linux, target float64
}{
	{"time_now", 214, 130}, {"syscall_getpid_raw", 359, 130}, {"sched_yield", 847, 230}, {"chan_pingpong", 2673, 2600},
	{"chan_pingpong_lock1p", 23959, 8500}, {"spawn_join", 3413, 3300}, {"thread_spawn_join", 92330, 17000}, {"page_fault_4k", 8420, 1000},
	{"mmap_munmap_1m", 2.11e6, 280e3},
}

// programs measures an ordinary program in ring 3, if its source is there.
func (b *book) programs() error {
	source := os.Getenv("MUSTER_KBENCH")
	if source == "" {
		source = "../shared/kbench"
	}
	if _, err := os.Stat(filepath.Join(source, "main.go")); err != nil {
		log.Printf("no kbench at %s: ring 3 is not measured", source)
		return nil
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "kbench")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kbench: %w\n%s", err, text)
	}
	row := regexp.MustCompile(`(?m)^(\w+) +([\d.]+) tsc/op`)
	values := map[string][]float64{}
	for seed := 1; seed <= b.seeds; seed++ {
		text, err := run("--boot", "pvh", "--icount", "--mem", "512", "--timeout", "300", "--qemu", fmt.Sprintf("-seed %d", seed),
			"--env", "KB_COUNT=1", "--env", "KB_SKIP=binary,map_fill,spin_", "--app", exe)
		if err != nil {
			return err
		}
		for _, m := range row.FindAllStringSubmatch(text, -1) {
			v, _ := strconv.ParseFloat(m[2], 64)
			values[m[1]] = append(values[m[1]], v)
		}
	}
	b.line("## Operations, in a program in ring 3\n")
	b.line("Instructions per operation of kbench, a plain static Go program, one CPU, median of %d seeds;", b.seeds)
	b.line("beside it Linux 6.1 (cloud kernel, mitigations off) in the same kind of emulator, as published")
	b.line("with kbench, and the figure to reach:\n")
	b.line("    %s --boot pvh --icount --mem 512 --qemu '-seed N' --env KB_COUNT=1 --app kbench\n", script)
	b.line("| operation | Muster | range | Linux | to reach |\n|---|---:|---|---:|---:|")
	for _, p := range peers {
		v := values[p.name]
		if len(v) == 0 {
			return fmt.Errorf("kbench printed no %s", p.name)
		}
		b.line("| %s | %.0f | %.0f to %.0f | %.0f | %.0f |", p.name, median(v), slices.Min(v), slices.Max(v), p.linux, p.target)
	}
	b.line("")
	return nil
}

// boot measures from the start of QEMU to the prompt. Machines without a screen,
// with one that the kernel does not use, and with one that it uses take turns.
func (b *book) boot() error {
	b.line("## Boot, by the clock\n")
	b.line("Seconds from the start of QEMU to the shell's prompt on the serial port, 4 CPUs, median of %d boots (lowest to", b.boots)
	b.line("highest): of a machine without a screen, of one whose screen the kernel leaves alone, and of one whose screen it uses, in turn.")
	b.line("Beside it the part from the first line of the kernel on; before it are the firmware and, but by PVH, GRUB, which sets a")
	b.line("mode of the screen.\n")
	b.line("    %[1]s --boot HOW --accel tcg --cpus 4 --qemu '-vga none'\n    %[1]s --boot HOW --accel tcg --cpus 4 --qemu '-vga std' --append console=serial", script)
	b.line("    %s --boot HOW --accel tcg --cpus 4 --qemu '-vga std'\n", script)
	b.line("| boot | screen | to the prompt, s | range | from the first line, s | range |\n|---|---|---:|---|---:|---|")
	screens := []struct {
		name string
		args []string
	}{
		{"none", []string{"--qemu", "-vga none"}},
		{"left alone", []string{"--qemu", "-vga std", "--append", "console=serial"}},
		{"in use", []string{"--qemu", "-vga std"}},
	}
	for _, how := range []string{"pvh", "bios", "uefi"} {
		prompt, kernel := make([][]float64, len(screens)), make([][]float64, len(screens))
		for range b.boots {
			for i, s := range screens {
				p, k, err := bootOnce(how, s.args...)
				if err != nil {
					return err
				}
				prompt[i], kernel[i] = append(prompt[i], p), append(kernel[i], k)
			}
		}
		for i, s := range screens {
			b.line("| %s | %s | %.2f | %.2f to %.2f | %.3f | %.3f to %.3f |", how, s.name, median(prompt[i]), slices.Min(prompt[i]),
				slices.Max(prompt[i]), median(kernel[i]), slices.Min(kernel[i]), slices.Max(kernel[i]))
		}
	}
	b.line("\nThe first boot of each row with GRUB also makes the image: that is part of the highest figure.\n")
	return nil
}

// firstLine begins the first line of the log.
const firstLine = "[    0.000000]"

// bootOnce returns the seconds to the prompt, and those of them since the kernel's first line.
func bootOnce(how string, more ...string) (prompt, kernel float64, err error) {
	cmd := patience.Command(context.Background(), script, append([]string{"--boot", how, "--accel", "tcg", "--timeout", "120"}, more...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	var text strings.Builder
	first := began
	r := bufio.NewReader(out)
	for !strings.HasSuffix(text.String(), shell.Prompt) {
		c, err := r.ReadByte()
		if err != nil {
			return 0, 0, errors.Join(err, cmd.Wait())
		}
		text.WriteByte(c)
		if first == began && c == ']' && strings.HasSuffix(text.String(), firstLine) {
			first = time.Now()
		}
	}
	prompt, kernel = time.Since(began).Seconds(), time.Since(first).Seconds()
	io.WriteString(in, "poweroff\r")
	go io.Copy(io.Discard, r)
	if err := cmd.Wait(); err != nil {
		return 0, 0, err
	}
	if first == began {
		return 0, 0, fmt.Errorf("no line of the log begins with %s", firstLine)
	}
	return prompt, kernel, nil
}

var longestLine = regexp.MustCompile(`longest stretch with interrupts off (\d+) ns`)

// core measures bounds of the core: stretches with interrupts off, stack use.
func (b *book) core() error {
	text, err := run("--boot", "pvh", "--kernel", "build/kernel-debug.elf", "--icount", "--timeout", "300", "--run", "test; test stress 20")
	if err != nil {
		return err
	}
	m := longestLine.FindStringSubmatch(text)
	if m == nil {
		return errors.New("the debug kernel did not log its longest stretch")
	}
	b.line("## The core's bounds\n")
	b.line("Longest stretch with interrupts off, in instructions, over the kernel's tests of itself and 20 s")
	b.line("of stress (the limit is 100,000): **%s**.\n", m[1])
	b.line("    %s --boot pvh --kernel build/kernel-debug.elf --icount --run 'test; test stress 20'\n", script)
	if err := b.attack(); err != nil {
		return err
	}
	text, err = run("--boot", "pvh", "--timeout", "200", "--mem", "512", "--run", "test; test stress 30; mem -json")
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(text, "muster> mem -json\n")
	var mem shell.Memory
	if err := json.NewDecoder(strings.NewReader(after)).Decode(&mem); err != nil {
		return err
	}
	b.line("Kernel stack high-water mark, over the same on 4 CPUs: **%d of %d bytes**.\n", mem.StackHigh, mem.StackSize)
	b.line("    %s --boot pvh --mem 512 --run 'test; test stress 30; mem'", script)
	return nil
}

var attackLine = regexp.MustCompile(`longest stretch under attack: (\d+) instructions, (.*)`)

// attack measures the longest stretch with interrupts off that a hostile program reaches.
func (b *book) attack() error {
	args := []string{"test", "-tags", "qemu", "-count=1", "-v", "-run", "TestStretch$", "./test"}
	out, err := patience.Command(context.Background(), "go", args...).Output()
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	m := attackLine.FindSubmatch(out)
	if m == nil {
		return errors.New("TestStretch did not print its longest stretch")
	}
	b.line("The same while a program makes as many objects of each kind as it can, and does each operation on them:")
	b.line("**%s**, in %s.\n", m[1], m[2])
	b.line("    go test -tags qemu -count=1 -v -run 'TestStretch$' ./test | grep 'longest stretch'\n")
	return nil
}

// run runs the script and returns the serial output without carriage returns.
func run(args ...string) (string, error) {
	out, err := patience.Command(context.Background(), script, args...).Output()
	text := strings.ReplaceAll(string(out), "\r", "")
	if err != nil {
		return text, fmt.Errorf("%s %s: %w\n%s", script, strings.Join(args, " "), err, text)
	}
	return text, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// hostCPUs returns how many CPUs the host has.
func hostCPUs() int { return runtime.NumCPU() }

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return "unknown CPU"
}

func qemuVersion() string {
	qemu := os.Getenv("QEMU")
	if qemu == "" {
		qemu = "qemu-system-x86_64"
	}
	out, _ := exec.Command(qemu, "--version").Output()
	if m := regexp.MustCompile(`version ([\d.]+)`).FindSubmatch(out); m != nil {
		return "QEMU " + string(m[1])
	}
	return "QEMU"
}
