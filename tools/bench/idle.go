package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/kernel/shell"
	"muster/tools/patience"
)

// idleSettle is how long a machine is left alone before its idle time is measured, and idleSpan
// is how long that is.
var (
	idleSettle = patience.Fixed(10 * time.Second)
	idleSpan   = patience.Fixed(30 * time.Second)
)

// idle measures the host's CPU time for guests that do nothing, and how often they wake up.
func (b *book) idle() error {
	b.line("## Idle, by the clock\n")
	b.line("What guests at their prompt take of one host CPU, in percent, and how often one of their CPUs wakes up in a second, by the")
	b.line("guest's own count; median of %d boots (lowest to highest), over %.0f s each, %.0f s after the prompt. The CPU time is that of the", (b.boots+2)/3, idleSpan.Seconds(), idleSettle.Seconds())
	b.line("process of QEMU (user and system, from /proc), so other work on the host does not count. The wake-ups of a question are measured, and subtracted.")
	b.line("The timekeeper runs all the while. An emulated CPU that wakes up costs QEMU more than the guest's instructions.\n")
	b.line("    %s --boot pvh --accel tcg --cpus N --mem 2048 --timeout 0 --qemu '-pidfile FILE'\n", script)
	b.line("| CPUs | %% of a host CPU | range | wake-ups a second and CPU | range |\n|---:|---:|---|---:|---|")
	for _, cpus := range []int{4, 64, 255} {
		var use, wakes []float64
		for range (b.boots + 2) / 3 {
			u, w, err := idleOnce(cpus)
			if err != nil {
				return err
			}
			use, wakes = append(use, u), append(wakes, w)
		}
		b.line("| %d | %.2f | %.2f to %.2f | %.2f | %.2f to %.2f |", cpus, median(use), slices.Min(use), slices.Max(use), median(wakes), slices.Min(wakes), slices.Max(wakes))
	}
	b.line("")
	return nil
}

// machine is a guest with its shell on a pair of pipes.
type machine struct {
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
	pid int // of QEMU
}

// startMachine boots a guest with some CPUs up to the prompt.
func startMachine(ctx context.Context, cpus int) (*machine, error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "pid")
	m := &machine{cmd: patience.Command(ctx, script, append(many(cpus), "--timeout", "600", "--qemu", "-pidfile "+file)...)}
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.out = bufio.NewReader(out)
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := m.prompt(); err != nil {
		return nil, errors.Join(err, m.cmd.Wait())
	}
	text, err := os.ReadFile(file)
	if err == nil {
		m.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	return m, err
}

// prompt reads up to the next prompt.
func (m *machine) prompt() (string, error) {
	var text strings.Builder
	for !strings.HasSuffix(text.String(), shell.Prompt) {
		c, err := m.out.ReadByte()
		if err != nil {
			return text.String(), err
		}
		text.WriteByte(c)
	}
	return strings.ReplaceAll(text.String(), "\r", ""), nil
}

// wakes returns how often the CPUs have woken up.
func (m *machine) wakes() (n uint64, err error) {
	const command = "cpus -json"
	io.WriteString(m.in, command+"\r")
	text, err := m.prompt()
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(text, command+"\n")
	var all []shell.CPU
	if err := json.NewDecoder(strings.NewReader(after)).Decode(&all); err != nil {
		return 0, fmt.Errorf("%s: %w", command, err)
	}
	for _, c := range all {
		for _, w := range c.Wakes {
			n += w
		}
	}
	return n, nil
}

// tick is the unit of /proc's times.
//
// Source: the manual page proc_pid_stat(5), sysconf(_SC_CLK_TCK).
var tick = patience.Fixed(10 * time.Millisecond)

// used returns the CPU time that the machine's emulator has taken.
func (m *machine) used() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
	if err != nil {
		return 0, err
	}
	const user, system = 14 - 3, 15 - 3 // fields, counted after the name
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) <= system {
		return 0, errors.New("/proc has no times of QEMU")
	}
	a, err := strconv.Atoi(f[user])
	c, e := strconv.Atoi(f[system])
	return time.Duration(a+c) * tick, errors.Join(err, e)
}

// idleOnce measures one machine: percent of a host CPU, and wake-ups a second and CPU.
func idleOnce(cpus int) (percent, rate float64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m, err := startMachine(ctx, cpus)
	if err != nil {
		return 0, 0, err
	}
	<-time.After(idleSettle)
	earlier, err := m.wakes()
	if err != nil {
		return 0, 0, err
	}
	wakes, err := m.wakes()
	if err != nil {
		return 0, 0, err
	}
	used, err := m.used()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	<-time.After(idleSpan)
	more, err := m.used()
	if err != nil {
		return 0, 0, err
	}
	span := time.Since(began).Seconds()
	last, err := m.wakes()
	if err != nil {
		return 0, 0, err
	}
	io.WriteString(m.in, "poweroff\r")
	go io.Copy(io.Discard, m.out)
	return (more - used).Seconds() / span * 100, (float64(last-wakes) - float64(wakes-earlier)) / span / float64(cpus), m.cmd.Wait()
}
