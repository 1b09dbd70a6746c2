package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/test/sysfuzz"
	"muster/tools/patience"
)

// machine runs programs on the kernel.
type machine struct {
	script string
	kernel string
	cpus   int
	tries  int
	stall  int // seconds without progress, on an idle host
	limit  int // seconds for a run that makes progress, on an idle host
	dir    string
	pid    uint64 // of the program
	made   uint64 // calls of the last run, as far as it has said
}

// build compiles the fuzzer, with lists of calls in place of the seed's if there are any.
func (m *machine) build(lists [][]sysfuzz.Call) (exe string, err error) {
	exe = filepath.Join(m.dir, "sysfuzz")
	args := []string{"build", "-o", exe}
	if lists != nil {
		file := filepath.Join(m.dir, "list.go")
		if err := os.WriteFile(file, []byte(source(run{}, lists)), 0o644); err != nil {
			return "", err
		}
		old, err := filepath.Abs("test/testdata/sysfuzz/list.go")
		if err != nil {
			return "", err
		}
		overlay, err := json.Marshal(map[string]map[string]string{"Replace": {old: file}})
		if err != nil {
			return "", err
		}
		name := filepath.Join(m.dir, "overlay.json")
		if err := os.WriteFile(name, overlay, 0o644); err != nil {
			return "", err
		}
		args = append(args, "-overlay", name)
	}
	cmd := exec.Command("go", append(args, "./test/testdata/sysfuzz")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return exe, nil
}

// breaks reports whether one of several runs of the program breaks the kernel.
func (m *machine) breaks(exe string, args []string) bool {
	for range m.tries {
		if why := m.run(exe, args); why != "" {
			log.Printf("breaks: %s: %s, after %d calls or a few more", strings.Join(args, " "), why, m.made)
			return true
		}
	}
	log.Printf("survives: %s", strings.Join(args, " "))
	return false
}

// How qemu-run.sh ends if the kernel panicked or the machine reset, and if a signal ended
// the program; the fuzzer handles all that it gets.
const (
	noStatus = 125
	signaled = 128 // and more
)

var (
	process = regexp.MustCompile(`app: process (\d+) is`)
	calls   = regexp.MustCompile(`sysfuzz: calls (\d+)`)
)

// run runs the program once. It returns what broke, "" for nothing. A run that is stopped at
// the limit has broken nothing: the signal that ends it is run's own.
func (m *machine) run(exe string, args []string) (why string) {
	all := append([]string{"--boot", "pvh", "--cpus", strconv.Itoa(m.cpus), "--mem", "768", "--kernel", m.kernel,
		"--timeout", "0", "--app", exe}, args...)
	ctx, cancel := context.WithTimeout(context.Background(), patience.For(time.Duration(m.limit)*time.Second))
	defer cancel()
	cmd := patience.Command(ctx, m.script, all...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // its trap ends QEMU
	cmd.WaitDelay = patience.For(10 * time.Second)
	from, to := io.Pipe()
	cmd.Stdout, cmd.Stderr = to, to
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		to.Close()
	}()
	lines := make(chan string)
	go read(from, lines)
	started := false
	m.made = 0
	why = follow(lines, func() time.Duration { return patience.For(time.Duration(m.stall) * time.Second) }, func(line string) {
		if id := process.FindStringSubmatch(line); id != nil {
			started = true
			m.pid, _ = strconv.ParseUint(id[1], 10, 64)
		}
		if n := calls.FindStringSubmatch(line); n != nil {
			m.made, _ = strconv.ParseUint(n[1], 10, 64)
		}
	})
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	for range lines { // to the end
	}
	if late {
		log.Printf("stopped after %d s and %d calls", m.limit, m.made)
	}
	var exit *exec.ExitError
	if err := <-ended; why == "" && !late && started && errors.As(err, &exit) {
		switch code := exit.ExitCode(); {
		case code == noStatus:
			why = "the machine ended without a status"
		case code > signaled:
			why = fmt.Sprintf("signal %d ended the program", code-signaled)
		}
	}
	return why
}

// read sends the lines of a stream.
func read(from io.Reader, lines chan<- string) {
	defer close(lines)
	for r := bufio.NewReader(from); ; {
		line, err := r.ReadString('\n')
		if line != "" {
			lines <- strings.TrimRight(line, "\r\n")
		}
		if err != nil {
			return
		}
	}
}

// follow reads what a machine prints. It returns why the kernel is broken, or "" when the
// machine has ended and its output does not say so. A machine hangs if there is no progress
// for a time: until the fuzzer begins, each line is progress, and then the lines that the
// fuzzer prints when calls were made. stall returns the time; it grows when the host becomes
// slow, also while follow waits.
func follow(lines <-chan string, stall func() time.Duration, see func(line string)) (why string) {
	last, limit, begun := time.Now(), stall(), false
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return ""
			}
			see(line)
			_, panicked, found := strings.Cut(line, "PANIC")
			fuzzer := strings.Contains(line, "sysfuzz:")
			switch {
			case found:
				return "PANIC" + panicked
			case strings.Contains(line, "sysfuzz: FAULT"):
				return line
			case fuzzer || !begun:
				begun = begun || fuzzer
				last, limit = time.Now(), stall()
				timer.Reset(limit)
			}
		case <-timer.C:
			if now := stall(); now > limit { // the host has become slower
				limit = now
				timer.Reset(limit - time.Since(last))
				continue
			}
			return fmt.Sprintf("hangs: no call for %v", limit)
		}
	}
}
