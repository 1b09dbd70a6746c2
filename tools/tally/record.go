package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Outcomes of a test or suite.
const (
	passed  = "pass"
	failed  = "fail"
	skipped = "skip"
)

func outcome(ok bool) string {
	if ok {
		return passed
	}
	return failed
}

// result is one line of a record: how one test, package or suite ended.
type result struct {
	Suite   string `json:",omitempty"` // of a command that runs no tests of Go
	Package string `json:",omitempty"`
	Test    string `json:",omitempty"` // "" for a package that failed as a whole
	Outcome string
	Seconds int    `json:",omitempty"`
	Reason  string `json:",omitempty"` // of a skip, or why a package failed
	Printed string `json:",omitempty"` // by a failed test: an excerpt
}

func (r result) name() string {
	return strings.TrimSpace(r.Suite + r.Package + " " + r.Test)
}

// record is all results, in order.
type record []result

func (r record) failed() bool {
	return slices.ContainsFunc(r, func(x result) bool { return x.Outcome == failed })
}

// read returns what a file holds; one that is not there yet is empty.
func read(file string) (r record, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var x result
		if err := d.Decode(&x); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		r = append(r, x)
	}
}

// note adds results to a file.
func note(file string, results ...result) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	for _, x := range results {
		if err := e.Encode(x); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// report prints the summary of a record.
func report(args []string) (ok bool, err error) {
	r, err := read(args[0])
	if err != nil {
		return false, err
	}
	if len(r) == 0 {
		return false, fmt.Errorf("%s: nothing was run", args[0])
	}
	text, ok := summary(r, os.Getenv("CI") == "true", strings.Fields(os.Getenv("MUSTER_SKIPS_ALLOWED")))
	fmt.Print(text)
	return ok, nil
}

// Of what a failed test printed the summary has some lines from the beginning and some from the end,
// and between them the first ones that tell why: the report of a panic is longer than all of these together.
const (
	headLines = 8
	keyLines  = 10
	tailLines = 12
	lineWidth = 160
)

// tells matches lines that tell why a machine, a program or a test failed.
var tells = regexp.MustCompile(`PANIC|^see |noticed as:|stopped at|panic: |fatal error: |watchdog: |Error(s| Trace)?:`)

// excerpt returns the lines of output that have text, most of the middle left out, each shortened.
func excerpt(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.Map(visible, line)
		if line = strings.TrimRight(line, " \t"); line != "" {
			lines = append(lines, line)
		}
	}
	if left := len(lines) - headLines - tailLines; left > 1 {
		keys := slices.DeleteFunc(slices.Clone(lines[headLines:headLines+left]), func(l string) bool { return !tells.MatchString(l) })
		keys = keys[:min(len(keys), keyLines)]
		middle := append([]string{fmt.Sprintf("[%d lines, of which these tell:]", left)}, keys...)
		if len(keys) == 0 {
			middle = []string{fmt.Sprintf("[%d lines]", left)}
		}
		lines = slices.Replace(lines, headLines, headLines+left, middle...)
	}
	var b strings.Builder
	for _, line := range lines {
		if len(line) > lineWidth {
			line = strings.ToValidUTF8(line[:lineWidth], "") + " ..."
		}
		b.WriteString("         " + line + "\n")
	}
	return b.String()
}

// visible drops control characters, which would change the terminal.
func visible(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return -1
	}
	return r
}

// Tests that take this long are worth a look.
const (
	slow   = 10 // seconds
	listed = 12
)

// slowest lists the tests that took longest.
func slowest(r record) string {
	r = slices.DeleteFunc(slices.Clone(r), func(x result) bool { return x.Seconds < slow })
	slices.SortStableFunc(r, func(a, b result) int { return cmp.Compare(b.Seconds, a.Seconds) })
	text := ""
	for _, x := range r[:min(len(r), listed)] {
		text += fmt.Sprintf("     %4d s %s\n", x.Seconds, x.name())
	}
	if text != "" {
		text = "== slowest:\n" + text
	}
	return text
}

// summary lists what failed and what was skipped, and counts. With strict, a skip
// that is not allowed failed.
func summary(r record, strict bool, allowed []string) (text string, ok bool) {
	counts := map[string]int{}
	var fails, skips strings.Builder
	for _, x := range r {
		if strict && x.Outcome == skipped && !slices.Contains(allowed, x.Test) {
			x.Outcome, x.Reason = failed, "skipped in CI, and MUSTER_SKIPS_ALLOWED does not name it: "+x.Reason
		}
		counts[x.Outcome]++
		list := map[string]*strings.Builder{failed: &fails, skipped: &skips}[x.Outcome]
		if list == nil {
			continue
		}
		list.WriteString("     " + x.name())
		if x.Reason != "" {
			list.WriteString(": " + x.Reason)
		}
		list.WriteByte('\n')
		list.WriteString(x.Printed)
	}
	if skips.Len() > 0 {
		text += "== skipped:\n" + skips.String()
	}
	text += slowest(r) // before the failures, of which the end of a long log is to have much
	if fails.Len() > 0 {
		text += "== FAILED:\n" + fails.String()
	}
	text += fmt.Sprintf("%d passed, %d failed, %d skipped\n", counts[passed], counts[failed], counts[skipped])
	return text, counts[failed] == 0
}
