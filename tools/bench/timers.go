package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"muster/tools/patience"
)

// build makes a static program of the tests.
func buildProgram(dir, name string) (exe string, err error) {
	exe = filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", exe, "./test/testdata/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, text)
	}
	return exe, nil
}

// baseline returns the folder with the scripts that boot Linux, and the one with the Linux.
func baseline() (scripts, out string, err error) {
	scripts = cmp.Or(os.Getenv("MUSTER_BASELINE"), "../shared/baseline")
	out = cmp.Or(os.Getenv("BASELINE_OUT"), filepath.Join(scripts, "out"))
	if _, err := os.Stat(filepath.Join(out, "vmlinuz")); err != nil {
		return "", "", fmt.Errorf("no Linux for the comparison: %w", err)
	}
	return scripts, out, nil
}

// withLinux returns a function that boots Linux with exe as its first process.
func withLinux(dir, exe string) (run func(machine string, cpus int, env string, args ...string) (string, error), err error) {
	scripts, out, err := baseline()
	if err != nil {
		return nil, err
	}
	initrd := filepath.Join(dir, "init.cpio")
	if text, err := exec.Command(filepath.Join(out, "mkcpio"), initrd, exe).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mkcpio: %w\n%s", err, text)
	}
	return func(machine string, cpus int, env string, args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(scripts, "run.sh"), append([]string{machine, strconv.Itoa(cpus), env, "mitigations=off", "tsc=reliable", "nokaslr"}, args...)...)
		cmd.Env = append(os.Environ(), "INITRD="+initrd, "BASELINE_OUT="+out)
		text, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("boot of Linux: %w\n%s", err, text)
		}
		return string(text), nil
	}, nil
}

// late is a row of jitter's output: how late something was, in microseconds.
type late struct {
	name, busy           string
	p50, p99, most, mean float64
}

var lateLine = regexp.MustCompile(`jitter: (\w+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) us`)

// lateIn returns the rows that a run of jitter has printed.
func lateIn(text string) (rows []late, err error) {
	for _, m := range lateLine.FindAllStringSubmatch(text, -1) {
		var v [4]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(m[3+i], 64); err != nil {
				return nil, err
			}
		}
		rows = append(rows, late{m[1], m[2], v[0], v[1], v[2], v[3]})
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("jitter printed nothing:\n%s", text)
	}
	return rows, nil
}

// lateNames are jitter's operations in the table.
var lateNames = map[string]string{"ticker": "ticker of 10 ms, jitter", "absolute": "clock_nanosleep every 10 ms, jitter", "sleep": "time.Sleep(1 ms)", "nanosleep": "nanosleep of 1 ms"}

// timers measures a ticker and sleeps in a program, on Muster and on Linux in turn.
func (b *book) timers() error {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exe, err := buildProgram(dir, "jitter")
	if err != nil {
		return err
	}
	linux, err := withLinux(dir, exe)
	if err != nil {
		log.Print(err)
	}
	muster := func(env string, args ...string) ([]late, error) {
		args = append([]string{"--boot", "pvh", "--mem", "512", "--timeout", "300", "--env", env}, args...)
		out, err := patience.Command(context.Background(), script, append(args, "--app", exe)...).Output() // its standard input is empty
		if err != nil {
			return nil, fmt.Errorf("jitter: %w\n%s", err, out)
		}
		return lateIn(string(out))
	}
	b.line("## A ticker and sleeps, in a program in ring 3\n")
	b.line("Microseconds. The jitter of a ticker is by how much the time between two ticks differs from 10 ms; a sleep of 1 ms is late")
	b.line("by what it takes more. Linux is 6.1, as above. First one CPU by counted instructions, of which 1,000 are a")
	b.line("microsecond, 300 times, median of %d seeds: the way through kernel and runtime without the host's share.\n", b.seeds)
	b.line("The runtime waits for a ticker by epoll_wait, in whole milliseconds: nine, and then one more for the rest. Both waits end a little late,")
	b.line("so each tick comes later than the one before by as much, which is p50. When this has added up to 1 ms, the runtime waits 1 ms less, and")
	b.line("the tick comes 1 ms early, less that p50. So p99 and the largest of the ticker say little of a kernel: the less late its timers are, the")
	b.line("nearer they come to 1 ms. The row of clock_nanosleep is a thread that sleeps until the times of its ticks, without the runtime.\n")
	b.line("    %s --boot pvh --icount --mem 512 --qemu '-seed N' --env JITTER=300:0,1,3 --app jitter\n", script)
	counted := func(seed int) ([]late, error) {
		return muster("JITTER=300:0,1,3", "--icount", "--qemu", fmt.Sprintf("-seed %d", seed))
	}
	countedLinux := func(seed int) ([]late, error) {
		os.Setenv("MACH", fmt.Sprintf("-seed %d -rtc base=2025-01-01,clock=vm", seed))
		defer os.Unsetenv("MACH")
		text, err := linux("icount", 1, "JITTER=300:0,1,3")
		if err != nil {
			return nil, err
		}
		return lateIn(text)
	}
	byClock := func(int) ([]late, error) { return muster("JITTER=100:0,4,12", "--accel", "tcg", "--cpus", "4") }
	byClockLinux := func(int) ([]late, error) {
		text, err := linux("tcg", 4, "JITTER=100:0,4,12")
		if err != nil {
			return nil, err
		}
		return lateIn(text)
	}
	if linux == nil {
		countedLinux, byClockLinux = nil, nil
	}
	if err := b.lateRows(b.seeds, counted, countedLinux); err != nil {
		return err
	}
	b.line("4 CPUs by the clock, 100 times, medians of %d boots of each in turn: p50, p99 and the largest are medians, too. The host", b.boots)
	b.line("has %d CPUs.\n", hostCPUs())
	b.line("    %s --boot pvh --accel tcg --cpus 4 --mem 512 --env JITTER=100:0,4,12 --app jitter\n", script)
	return b.lateRows(b.boots, byClock, byClockLinux)
}

// lateRows runs two machines in turn and prints the medians of their rows.
func (b *book) lateRows(turns int, ours, theirs func(turn int) ([]late, error)) error {
	var all [2][][]late
	for turn := 1; turn <= turns; turn++ {
		for i, run := range []func(int) ([]late, error){ours, theirs} {
			if run == nil {
				continue
			}
			rows, err := run(turn)
			if err != nil {
				return err
			}
			all[i] = append(all[i], rows)
		}
	}
	b.line("| busy threads | operation | Muster p50 | p99 | largest | mean | Linux p50 | p99 | largest | mean |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for i, row := range all[0][0] {
		b.line("| %s | %s | %s | %s |", row.busy, lateNames[row.name], lateMedians(all[0], i), lateMedians(all[1], i))
	}
	b.line("")
	return nil
}

// lateMedians returns the medians of row i over some runs.
func lateMedians(runs [][]late, i int) string {
	if len(runs) == 0 {
		return "- | - | - | -"
	}
	of := func(f func(late) float64) float64 {
		var v []float64
		for _, rows := range runs {
			v = append(v, f(rows[i]))
		}
		slices.Sort(v)
		return median(v)
	}
	return fmt.Sprintf("%.1f | %.1f | %.1f | %.1f", of(func(l late) float64 { return l.p50 }), of(func(l late) float64 { return l.p99 }),
		of(func(l late) float64 { return l.most }), of(func(l late) float64 { return l.mean }))
}
