package main

// Figures that grow with the number of CPUs: their start, and calls to all of them.

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"muster/kernel/ktest"
)

// startedLine is the log's line about the start of the CPUs.
var startedLine = regexp.MustCompile(`smp: (\d+) of (\d+) CPUs online, ([\d.]+) ms after`)

// many are the arguments for a machine of n CPUs.
func many(n int) []string {
	return []string{"--boot", "pvh", "--accel", "tcg", "--mem", "2048", "--timeout", "200", "--cpus", strconv.Itoa(n)}
}

// calls measures calls to other CPUs.
func (b *book) calls() error {
	b.line("## Calls to other CPUs, by the clock\n")
	b.line("Microseconds, median of %d boots (lowest to highest). CallRunning calls a CPU on which a loop runs,", b.boots)
	b.line("CallHalted one that is halted, CallAll every CPU; each waits until all have answered:\n")
	b.line("    %s --boot pvh --mem 2048 --cpus N --run 'bench CallAll'\n", script)
	b.line("| CPUs | operation | us | range | us for each CPU |\n|---:|---|---:|---|---:|")
	for _, row := range []struct {
		cpus int
		name string
	}{{4, "CallRunning"}, {4, "CallHalted"}, {2, "CallAll"}, {4, "CallAll"}, {8, "CallAll"}, {16, "CallAll"}, {32, "CallAll"}, {64, "CallAll"}} {
		var us []float64
		for range b.boots {
			text, err := run(append(many(row.cpus), "--run", "bench -json "+row.name)...)
			if err != nil {
				return err
			}
			_, after, _ := strings.Cut(text, "muster> bench -json "+row.name+"\n")
			var m []ktest.Measurement
			if err := json.NewDecoder(strings.NewReader(after)).Decode(&m); err != nil {
				return fmt.Errorf("bench -json %s: %w", row.name, err)
			}
			us = append(us, m[0].Value/1e3)
		}
		each := ""
		if row.name == "CallAll" {
			each = fmt.Sprintf("%.1f", median(us)/float64(row.cpus-1))
		}
		b.line("| %d | %s | %.1f | %.1f to %.1f | %s |", row.cpus, row.name, median(us), slices.Min(us), slices.Max(us), each)
	}
	b.line("")
	return nil
}

// bringUp measures the start of the APs, and Linux's beside it if there is a Linux.
func (b *book) bringUp() error {
	linux, err := linuxRunner()
	if err != nil {
		log.Print(err)
	}
	b.line("## Start of the CPUs, by the clock\n")
	b.line("Milliseconds from the first INIT until all CPUs are online, median of %d boots (lowest to highest).", b.boots)
	b.line("10 of them are the wait that the manual requires. Linux 6.1 (cloud kernel, mitigations off) in the")
	b.line("same emulator, one boot of each in turn: from \"Bringing up secondary CPUs\" to \"Brought up\".\n")
	b.line("    %s --boot pvh --mem 2048 --cpus N --run uptime\n", script)
	b.line("| CPUs | Muster, ms | range | Linux, ms | range |\n|---:|---:|---|---:|---|")
	counts := []int{4, 16, 64, 255}
	var xs, ys []float64
	for _, n := range counts {
		var ours, theirs []float64
		for range b.boots {
			text, err := run(append(many(n), "--run", "uptime")...)
			if err != nil {
				return err
			}
			ms, err := startedIn(text)
			if err != nil {
				return err
			}
			ours = append(ours, ms)
			if linux != nil && n <= 64 {
				ms, err := linux(n)
				if err != nil {
					return err
				}
				theirs = append(theirs, ms)
			}
		}
		xs, ys = append(xs, float64(n)), append(ys, median(ours))
		peer := "- | -"
		if len(theirs) > 0 {
			peer = fmt.Sprintf("%.0f | %.0f to %.0f", median(theirs), slices.Min(theirs), slices.Max(theirs))
		}
		b.line("| %d | %.1f | %.1f to %.1f | %s |", n, median(ours), slices.Min(ours), slices.Max(ours), peer)
	}
	b.line("\nEach further CPU takes %s.\n", slopes(xs, ys))
	return b.startCounted()
}

// startCounted measures the same in instructions: the kernel's share, without the
// emulator's own locks and the host's two CPUs.
func (b *book) startCounted() error {
	b.line("The same by counted instructions of all CPUs, a millisecond for a million, one of them after the")
	b.line("other: what the kernel itself does, without the emulator's locks. Median of %d seeds, xAPIC mode:\n", b.seeds)
	b.line("    %s --boot pvh --mem 2048 --icount --qemu '-smp N -seed S' --append deadline-scale=N --run uptime\n", script)
	b.line("| CPUs | ms | range |\n|---:|---:|---|")
	var xs, ys []float64
	for _, n := range []int{4, 16, 64, 128, 254} {
		var all []float64
		for seed := range b.seeds {
			text, err := run("--boot", "pvh", "--mem", "2048", "--timeout", "200", "--icount", "--append", fmt.Sprintf("deadline-scale=%d", n),
				"--qemu", fmt.Sprintf("-smp %d -seed %d", n, seed+1), "--run", "uptime")
			if err != nil {
				return err
			}
			ms, err := startedIn(text)
			if err != nil {
				return err
			}
			all = append(all, ms)
		}
		xs, ys = append(xs, float64(n)), append(ys, median(all))
		b.line("| %d | %.1f | %.1f to %.1f |", n, median(all), slices.Min(all), slices.Max(all))
	}
	b.line("\nEach further CPU takes %s.\n", slopes(xs, ys))
	return nil
}

// startedIn returns how many milliseconds the start of the CPUs took.
func startedIn(text string) (float64, error) {
	m := startedLine.FindStringSubmatch(text)
	switch {
	case m == nil:
		return 0, errors.New("the log does not say when the CPUs were online")
	case m[1] != m[2]:
		return 0, fmt.Errorf("%s of %s CPUs online", m[1], m[2])
	}
	return strconv.ParseFloat(m[3], 64)
}

// slopes returns by how much y grows from each x to the next.
func slopes(xs, ys []float64) string {
	var list []string
	for i := 1; i < len(xs); i++ {
		list = append(list, fmt.Sprintf("%.3f ms from %.0f to %.0f", (ys[i]-ys[i-1])/(xs[i]-xs[i-1]), xs[i-1], xs[i]))
	}
	return strings.Join(list, ", ")
}

var linuxStep = regexp.MustCompile(`\[ *([\d.]+)\] smp: (Bringing|Brought) up`)

// linuxRunner returns a function that boots Linux with n CPUs and returns how many
// milliseconds their start took.
func linuxRunner() (func(n int) (float64, error), error) {
	dir, _, err := baseline()
	if err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "run.sh")
	return func(n int) (float64, error) {
		cmd := exec.Command(script, "tcg", strconv.Itoa(n), "KB_EXIT=1", "mitigations=off", "tsc=reliable")
		text, err := cmd.CombinedOutput()
		m := linuxStep.FindAllSubmatch(text, -1)
		if len(m) < 2 {
			return 0, fmt.Errorf("boot of Linux with %d CPUs: %v\n%s", n, err, text)
		}
		began, _ := strconv.ParseFloat(string(m[0][1]), 64)
		ended, _ := strconv.ParseFloat(string(m[1][1]), 64)
		return (ended - began) * 1e3, nil
	}, nil
}
