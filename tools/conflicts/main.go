// Command conflicts measures whether operations that commute share cache lines in the kernel.
// It boots the kernel in QEMU with a plugin that sees each load and store, runs pairs of
// operations in a program, and prints the lines that one worker writes and another touches,
// with the functions that do so.
//
//	go run ./tools/conflicts [-pairs NAME,...] [-allow FILE] [-places] [-o FILE]
//	go run ./tools/conflicts -count [-functions] [-o FILE]
//	go run ./tools/conflicts -json [-count]
//
// Its status is 0 if no pair has more shared lines than FILE allows it, 1 if one has, or if a
// control has none, and 2 if the machine did not do its work.
//
// With -count it counts instructions and locked instructions of operations instead, on one CPU. With -functions, too, it
// says in which functions and files of the kernel and of the program the instructions are.
//
// Layer: host tool.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"muster/tools/patience"
)

type options struct {
	kernel, pairs, allow string
	workers, cpus        int
	places, count, json  bool
	functions            bool
}

func main() {
	var o options
	flag.StringVar(&o.kernel, "kernel", "build/kernel.elf", "the `file` of the kernel")
	flag.StringVar(&o.pairs, "pairs", "", "the `names` of pairs, with commas between; without it all but the controls")
	flag.StringVar(&o.allow, "allow", "tools/conflicts/allow.txt", "a `file` of pairs that may share lines, with the reasons")
	flag.IntVar(&o.workers, "workers", 2, "compare `N` workers")
	flag.IntVar(&o.cpus, "cpus", 4, "CPUs of the machine")
	flag.BoolVar(&o.places, "places", false, "name the places in the code of allowed lines, too")
	flag.BoolVar(&o.count, "count", false, "count instructions of operations on one CPU")
	flag.BoolVar(&o.functions, "functions", false, "with -count, the instructions of the kernel and of the program by function and by file")
	flag.BoolVar(&o.json, "json", false, "print one JSON document for a program, without a verdict")
	to := flag.String("o", "", "write the report to a `file`")
	flag.Parse()
	var text bytes.Buffer
	status := 0
	err := o.run(&text)
	if errors.Is(err, errConflicts) {
		status = 1
	} else if err != nil {
		status = 2
	}
	os.Stdout.Write(text.Bytes())
	if *to != "" && status != 2 {
		if e := os.WriteFile(*to, text.Bytes(), 0o644); e != nil {
			err, status = e, 2
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conflicts:", err)
	}
	os.Exit(status)
}

var errConflicts = errors.New("operations that commute share cache lines, or a control shares none")

func (o *options) run(w io.Writer) error {
	if o.functions && (!o.count || o.json) {
		return errors.New("-functions goes with -count, and not with -json")
	}
	allowed, err := readAllowed(o.allow)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "conflicts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	plugin, program, err := build(tmp)
	if err != nil {
		return err
	}
	file := filepath.Join(tmp, "record")
	out, err := o.boot(plugin, program, file)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	windows, err := parse(f)
	if err != nil {
		return err
	}
	windows, err = name(windows, out)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(w, windows)
	}
	names, err := newSymbols(o.kernel)
	if err != nil {
		return err
	}
	if o.count && o.functions {
		own, err := newSymbols(program)
		if err != nil {
			return err
		}
		return printFunctions(w, windows, names, own)
	}
	if o.count {
		return printCounts(w, windows, names)
	}
	return printPairs(w, windows, allowed, names, o)
}

// build compiles the plugin and the program.
func build(dir string) (plugin, program string, err error) {
	plugin, program = filepath.Join(dir, "conflicts.so"), filepath.Join(dir, "conflicts")
	for _, cmd := range []*exec.Cmd{
		exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-o", plugin, "tools/conflicts/plugin/conflicts.c"),
		exec.Command("go", "build", "-o", program, "./test/testdata/conflicts"),
	} {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("%s: %w\n%s", cmd, err, text)
		}
	}
	return plugin, program, nil
}

// boot runs the program and returns its output.
func (o *options) boot(plugin, program, record string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience.For(10*time.Minute))
	defer cancel()
	code := ""
	if o.functions {
		code = ",code=on"
	}
	args := []string{"--boot", "pvh", "--mem", "512", "--timeout", "300", "--kernel", o.kernel, "--log", record + ".log",
		"--qemu", "-plugin " + plugin + ",out=" + record + code, "--env", "GODEBUG=asyncpreemptoff=1"}
	if o.count {
		args = append(args, "--icount", "--app", program, "-count")
	} else {
		args = append(args, "--accel", "tcg", "--cpus", strconv.Itoa(o.cpus), "--app", program, "-workers", strconv.Itoa(o.workers), "-pairs", o.pairs)
	}
	cmd := patience.Command(ctx, "scripts/qemu-run.sh", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		log, _ := os.ReadFile(record + ".log")
		return "", fmt.Errorf("%w\n%s%s%s", err, out, errs.Bytes(), log)
	}
	return string(out), nil
}

// namedWindow is the program's line about a window. One that comes again is not used: the workers
// were on one CPU.
var namedWindow = regexp.MustCompile(`(?m)^window (\d+): (\w+)(?:( again)|, (\d+) operations( of a control)?)$`)

// name gives the windows of the plugin's file the names that the program printed, and leaves out
// those that come again.
func name(windows []*window, out string) (used []*window, err error) {
	found := namedWindow.FindAllStringSubmatch(out, -1)
	if len(found) != len(windows) || !strings.Contains(out, "conflicts: "+strconv.Itoa(len(windows))+" windows") {
		return nil, fmt.Errorf("the plugin has seen %d windows, and the program names %d:\n%s", len(windows), len(found), out)
	}
	for i, m := range found {
		if m[1] != strconv.Itoa(i) {
			return nil, fmt.Errorf("%q is window %d", m[0], i)
		}
		if m[3] != "" {
			continue
		}
		windows[i].name, windows[i].control = m[2], m[5] != ""
		windows[i].operations, _ = strconv.ParseUint(m[4], 10, 64)
		used = append(used, windows[i])
	}
	return used, nil
}
