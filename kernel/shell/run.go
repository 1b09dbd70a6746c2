package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/kernel/ktest"
	"muster/kernel/near"
)

// Commands that run something: the kernel's tests and benchmarks, programs in ring 3, and
// what breaks the core.

func testNames(*Shell) (names []string) {
	for _, t := range ktest.Tests() {
		names = append(names, t.Name)
	}
	return append(names, "list")
}

// maxSeconds bounds the time of a test, because a time.Duration holds 292 years.
const maxSeconds = 1_000_000

func test(ctx context.Context, s *Shell, a args) error {
	name := ""
	if len(a.list) > 0 {
		var ok bool
		if name, ok = near.Match(a.first(), testNames(s)); !ok {
			return fmt.Errorf("no test %q%s; test list shows all", a.first(), near.Suggest(a.first(), testNames(s)))
		}
	}
	if name == "list" {
		return describeAll(s, a, ktest.Tests(), func(t ktest.Test) OptionHelp { return OptionHelp{Name: t.Name, About: t.About} })
	}
	tests := ktest.Select(name)
	if len(a.list) > 1 {
		n, err := strconv.Atoi(a.list[1])
		switch {
		case err != nil || n < 1 || n > maxSeconds:
			return fmt.Errorf("%q is not a number of seconds from 1 to %d", a.list[1], maxSeconds)
		case tests[0].For == nil:
			return fmt.Errorf("test %s runs to its end: it takes no number of seconds", name)
		}
		tests[0].Run = tests[0].For(time.Duration(n) * time.Second)
	}
	return runTests(ctx, s, a, tests)
}

// runTests runs tests. The document has the results even if some of the tests
// failed.
func runTests(ctx context.Context, s *Shell, a args, tests []ktest.Test) error {
	if !s.shared.begin() {
		return errBusy
	}
	defer s.shared.end()
	w := s.out
	if a.json {
		w = io.Discard
	}
	results := ktest.Run(ctx, w, tests)
	if a.json {
		if err := s.printJSON(results); err != nil {
			return err
		}
	}
	failed := 0
	for _, r := range results {
		if !r.OK {
			failed++
		}
	}
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case failed > 0:
		return fmt.Errorf("%d of %d failed", failed, len(results))
	}
	return nil
}

// errInterrupted says that control-C ended a command.
var errInterrupted = errors.New("interrupted")

func benchNames(*Shell) (names []string) {
	for _, b := range ktest.Benchmarks() {
		names = append(names, b.Name)
	}
	return append(names, "list")
}

func bench(ctx context.Context, s *Shell, a args) error {
	name := ""
	if len(a.list) > 0 {
		var ok bool
		if name, ok = near.Match(a.first(), benchNames(s)); !ok {
			return fmt.Errorf("no benchmark %q%s; bench list shows all", a.first(), near.Suggest(a.first(), benchNames(s)))
		}
	}
	if name == "list" {
		return describeAll(s, a, ktest.Benchmarks(), func(b ktest.Benchmark) OptionHelp { return OptionHelp{Name: b.Name, About: b.About} })
	}
	if !s.shared.begin() {
		return errBusy
	}
	defer s.shared.end()
	w := s.out
	if a.json {
		w = io.Discard
	}
	all, err := ktest.RunBenchmarks(ctx, w, name, s.sys.Instructions())
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if a.json && (err == nil || len(all) > 0) {
		err = errors.Join(err, s.printJSON(all))
	}
	return err
}

// app fails if a program ends with another status than 0.
func app(ctx context.Context, s *Shell, a args) error {
	lists := [][]string{nil}
	for _, word := range a.list {
		if n := len(lists) - 1; word == "/" {
			lists = append(lists, nil)
		} else {
			lists[n] = append(lists[n], word)
		}
	}
	if slices.ContainsFunc(lists, func(l []string) bool { return len(l) == 0 }) {
		return errUsage
	}
	statuses, err := s.sys.Programs(ctx, lists)
	for i, status := range statuses {
		if status != 0 {
			err = errors.Join(err, fmt.Errorf("%s: status %d", strings.Join(lists[i], " "), status))
		}
	}
	if a.json {
		return errors.Join(s.printJSON(statuses), err)
	}
	return err
}

func crash(_ context.Context, s *Shell, a args) error {
	kinds := crashKinds(s)
	if len(a.list) == 0 {
		return fmt.Errorf("usage: crash KIND: one of %s; crash -h explains them", strings.Join(kinds, ", "))
	}
	kind, ok := near.Match(a.first(), kinds)
	if !ok {
		return fmt.Errorf("no kind %q%s; crash -h explains all", a.first(), near.Suggest(a.first(), kinds))
	}
	return s.sys.Crash(kind)
}

// crashKinds returns the names of the kinds of crash.
func crashKinds(s *Shell) (names []string) {
	for _, k := range s.sys.CrashKinds() {
		names = append(names, k.Name)
	}
	return names
}
