// Command gcstress runs host tests while a goroutine collects garbage all the time, and the
// runtime overwrites what it frees.
//
//	gcstress [-tags SET] [-count N] PACKAGE...
//	gcstress ./kernel/...
//
// A host test gives the kernel's code memory as the kernel has it: by an address, which
// is a number to the garbage collector. If the test does not keep the memory alive, the collector frees
// it while the code works on it, in one of some thousand ordinary runs. Under gcstress this happens in nearly
// each run: a test of the package panics, or compares a wrong value.
//
// A file with the goroutine is added to each package's tests by -overlay, so nothing is written to
// the tree.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// collector is the file that is added to a package's tests.
const collector = `package %s

import "runtime"

func init() {
	go func() {
		for {
			runtime.GC()
			runtime.Gosched()
		}
	}()
}
`

func main() {
	log.SetFlags(0)
	log.SetPrefix("gcstress: ")
	tags := flag.String("tags", "", "build tags of the tests")
	count := flag.Int("count", 1, "`N`, how often the tests run, each time in a new process")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("no package; usage: gcstress [-tags SET] [-count N] PACKAGE...")
	}
	if err := stress(os.Stdout, ".", *tags, *count, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

// stress runs the tests of packages count times, and writes what they print to out. The names of the packages are relative to dir.
func stress(out io.Writer, dir, tags string, count int, packages []string) error {
	temp, err := os.MkdirTemp("", "gcstress")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	overlay, err := overlayOf(temp, dir, tags, packages)
	if err != nil {
		return err
	}
	for range count {
		// checkptr=0: these packages reach memory by address, as the kernel does.
		cmd := exec.Command("go", append([]string{"test", "-count=1", "-timeout=1h", "-short", "-vet=off", "-gcflags=all=-d=checkptr=0",
			"-tags", tags, "-overlay", overlay}, packages...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GODEBUG=clobberfree=1")
		cmd.Stdout, cmd.Stderr = out, out
		err = errors.Join(err, cmd.Run())
	}
	return err
}

// overlayOf writes, below temp, the collector for each package and the file that adds it to the package.
func overlayOf(temp, dir, tags string, packages []string) (string, error) {
	cmd := exec.Command("go", append([]string{"list", "-tags", tags, "-f", "{{.Name}}\t{{.Dir}}"}, packages...)...)
	cmd.Dir = dir
	text, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return "", fmt.Errorf("go list: %s", exit.Stderr)
	}
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, at, _ := strings.Cut(strings.TrimSpace(line), "\t")
		file := filepath.Join(temp, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(file, fmt.Appendf(nil, collector, name), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(at, "gcstress_added_test.go")] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(temp, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}
