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
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/tools/patience"
)

// event is a line of go test -json ("go doc test2json").
type event struct {
	Action      string
	Package     string
	ImportPath  string // in place of Package, for the output of a build
	Test        string
	Output      string
	FailedBuild string
	Elapsed     float64 // seconds, of what ended
}

// grace is how long an interrupted go test may take to end, and what a test has left.
func grace() time.Duration { return patience.For(3 * time.Second) }

// test runs go test -json, shows what it prints and notes how each test ended. If it is
// interrupted, it notes what has ended, and those that ran as failed.
func test(args []string) (ok bool, err error) {
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	verbose := flags.Bool("v", false, "show everything")
	show := flags.String("show", "^$", "lines of tests to show")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	pattern, err := regexp.Compile(*show)
	if err != nil {
		return false, err
	}
	if args = flags.Args(); len(args) == 0 {
		return false, errors.New("test needs a file")
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, in, err := os.Pipe()
	if err != nil {
		return false, err
	}
	cmd.Stdout = in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go test would leave its programs running
	stop, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer end()
	if err := cmd.Start(); err != nil {
		return false, err
	}
	in.Close()
	defer context.AfterFunc(stop, func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // go test removes its folder then
		out.SetReadDeadline(time.Now().Add(grace()))   // what go test started may keep the pipe open
	})()
	f := newFollower(os.Stdout, *verbose, pattern)
	err = f.follow(out)
	if stop.Err() != nil {
		endGroup(cmd.Process.Pid)
		cmd.Wait()
		f.interrupted()
		return false, note(args[0], f.results...)
	}
	if err != nil {
		return false, err
	}
	err = cmd.Wait()
	if endGroup(cmd.Process.Pid) {
		log.Print("go test left processes, which are ended now")
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	if err != nil && !f.results.failed() {
		f.results = append(f.results, result{Suite: "go test", Outcome: failed, Reason: err.Error()})
	}
	return !f.results.failed(), note(args[0], f.results...)
}

// endGroup ends what is left of a process group, and reports whether there was anything.
func endGroup(id int) (left bool) {
	tick := time.NewTicker(grace() / 100)
	defer tick.Stop()
	for range 100 {
		if syscall.Kill(-id, syscall.SIGTERM) != nil {
			return left
		}
		left = true
		<-tick.C
	}
	syscall.Kill(-id, syscall.SIGKILL)
	return left
}

// follower turns events into output and results.
type follower struct {
	w        io.Writer
	verbose  bool
	lines    *regexp.Regexp // of tests that passed, shown all the same
	packages map[string]*running
	builds   map[string]string // import path to what its build printed
	results  record
}

// running is one package's tests.
type running struct {
	tests   map[string]*one
	order   []string
	output  strings.Builder // that belongs to no test
	nothing bool            // go test said that there was nothing to run
}

// one is one test.
type one struct {
	outcome string
	seconds int
	output  strings.Builder
	parent  bool // has subtests
	paused  bool // it waits for its turn
}

func newFollower(w io.Writer, verbose bool, lines *regexp.Regexp) *follower {
	return &follower{w: w, verbose: verbose, lines: lines, packages: map[string]*running{}, builds: map[string]string{}}
}

// follow reads events to their end. Any other line is shown unchanged.
func (f *follower) follow(r io.Reader) error {
	for b := bufio.NewReader(r); ; {
		line, err := b.ReadBytes('\n')
		var e event
		if len(line) == 0 {
			// the end
		} else if json.Unmarshal(line, &e) == nil && e.Action != "" {
			f.take(e)
		} else {
			f.w.Write(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (f *follower) take(e event) {
	if strings.HasPrefix(e.Action, "build-") {
		f.builds[e.ImportPath] += e.Output
		return
	}
	p := f.packages[e.Package]
	if p == nil {
		p = &running{tests: map[string]*one{}}
		f.packages[e.Package] = p
	}
	switch {
	case e.Action == "output":
		p.print(e)
		if f.verbose {
			io.WriteString(f.w, e.Output)
		}
	case e.Test != "" && (e.Action == "pause" || e.Action == "cont"):
		p.test(e.Test).paused = e.Action == "pause"
	case e.Test != "" && (e.Action == passed || e.Action == failed || e.Action == skipped):
		p.test(e.Test).outcome, p.test(e.Test).seconds = e.Action, int(e.Elapsed)
	case e.Test == "" && (e.Action == passed || e.Action == failed || e.Action == skipped):
		f.end(e, p)
	}
}

// test returns the record of a test, and makes it if need be. Its parent is the longest
// name before a slash that is a test: the name of a subtest may have slashes of its own.
func (p *running) test(name string) *one {
	x := p.tests[name]
	if x == nil {
		for above := name; strings.Contains(above, "/"); {
			above = above[:strings.LastIndexByte(above, '/')]
			if parent := p.tests[above]; parent != nil {
				parent.parent = true
				break
			}
		}
		x = &one{}
		p.tests[name] = x
		p.order = append(p.order, name)
	}
	return x
}

func (p *running) print(e event) {
	if e.Test != "" {
		p.test(e.Test).output.WriteString(e.Output)
		return
	}
	p.output.WriteString(e.Output)
	p.nothing = p.nothing || strings.Contains(e.Output, "[no tests to run]")
}

// end shows a package and notes its tests.
func (f *follower) end(e event, p *running) {
	delete(f.packages, e.Package)
	bad := false
	for _, name := range p.order {
		x := p.tests[name]
		if x.outcome == "" {
			x.outcome = outcome(strings.Contains(x.output.String(), "--- PASS: "+name+" (")) // if not, it was running at the end
		}
		if x.paused {
			continue // its turn did not come
		}
		if x.parent && x.outcome != failed {
			continue
		}
		r := result{Package: e.Package, Test: name, Outcome: x.outcome, Seconds: x.seconds}
		if x.outcome == skipped {
			r.Reason = reason(x.output.String())
		}
		if x.parent && p.below(name) {
			continue // its subtests say what failed
		}
		if r.Outcome == failed {
			bad, r.Printed = true, excerpt(x.output.String())
		}
		f.results = append(f.results, r)
	}
	switch {
	case e.Action == failed && !bad:
		r := result{Package: e.Package, Outcome: failed, Reason: "it failed outside its tests", Printed: excerpt(p.output.String())}
		if e.FailedBuild != "" {
			r.Reason, r.Printed = "it does not build", excerpt(f.builds[e.FailedBuild])
		}
		f.results = append(f.results, r)
	case p.nothing:
		f.results = append(f.results, result{Package: e.Package, Outcome: failed, Reason: "it has tests, and none was run"})
	}
	f.show(e, p)
}

// interrupted ends the packages that have not ended.
func (f *follower) interrupted() {
	for _, name := range slices.Sorted(maps.Keys(f.packages)) {
		f.end(event{Action: "interrupted", Package: name}, f.packages[name])
	}
	f.results = append(f.results, result{Suite: "go test", Outcome: failed, Reason: "it was interrupted"})
}

// below says whether a subtest of a test failed.
func (p *running) below(name string) bool {
	for other, x := range p.tests {
		if strings.HasPrefix(other, name+"/") && !x.paused && x.outcome != passed && x.outcome != skipped {
			return true
		}
	}
	return false
}

// show prints a package as go test does without -v: the line of one that passed, and
// everything that failed tests printed.
func (f *follower) show(e event, p *running) {
	if e.FailedBuild != "" {
		io.WriteString(f.w, f.builds[e.FailedBuild])
		delete(f.builds, e.FailedBuild)
	}
	if f.verbose || e.Action == skipped {
		return // shown as it came, or without any test
	}
	if e.Action == passed {
		for _, name := range p.order {
			for line := range strings.Lines(p.tests[name].output.String()) {
				if f.lines.MatchString(strings.TrimSuffix(line, "\n")) {
					io.WriteString(f.w, line)
				}
			}
		}
		for line := range strings.Lines(p.output.String()) {
			if strings.HasPrefix(line, "ok ") {
				io.WriteString(f.w, line)
			}
		}
		return
	}
	for _, name := range p.order {
		if x := p.tests[name]; x.outcome == failed {
			io.WriteString(f.w, x.output.String())
		}
	}
	fmt.Fprint(f.w, p.output.String())
}

// reason finds in a skipped test's output what it gave as such.
func reason(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, " ")
	if file, after, ok := strings.Cut(text, ": "); ok && strings.Contains(file, ".go:") && !strings.Contains(file, " ") {
		text = after
	}
	if text == "" {
		text = "it gives no reason"
	}
	return text
}
