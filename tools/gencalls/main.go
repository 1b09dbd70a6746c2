// Command gencalls generates the code for the tables of private system calls, the
// interfaces Calls and TestCalls of package abi:
//
//	kernel/abi/numbers_gen.go                     a number for each call
//	kernel/kcall/{calls,testcalls}_gen.go         a Go function that makes the call
//	kernel/{private,selftest}/calls_gen.go        the dispatch to the core's function
//	docs/10-system-calls.md                       the list, between two markers
//
//	gencalls [-root .] [-check]
//
// With -check nothing is written; a file that would change is an error.
//
// Layer: host.
// Chapter: docs/10-system-calls.md.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "module root")
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("gencalls: ")
	if err := run(*root, *check); err != nil {
		log.Fatal(err)
	}
}

// run generates all files below root.
func run(root string, check bool) error {
	calls, err := parseFile(filepath.Join(root, "kernel/abi/calls.go"), "Calls")
	if err != nil {
		return err
	}
	tests, err := parseFile(filepath.Join(root, "kernel/abi/testcalls.go"), "TestCalls")
	if err != nil {
		return err
	}
	doc := "docs/10-system-calls.md"
	chapter, err := os.ReadFile(filepath.Join(root, doc))
	if err != nil {
		return err
	}
	if chapter, err = document(chapter, calls, tests); err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	files := map[string][]byte{
		"kernel/abi/numbers_gen.go":     numbers(calls, tests),
		"kernel/kcall/calls_gen.go":     stubs(calls),
		"kernel/kcall/testcalls_gen.go": stubs(tests),
		"kernel/private/calls_gen.go":   dispatch("private", "First", calls),
		"kernel/selftest/calls_gen.go":  dispatch("selftest", "FirstTest", tests),
		doc:                             chapter,
	}
	var errs []error
	for name, want := range files {
		errs = append(errs, put(filepath.Join(root, name), want, check))
	}
	return errors.Join(errs...)
}

// put writes the contents want to a file, or compares them with the file.
func put(name string, want []byte, check bool) error {
	have, err := os.ReadFile(name)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	if check {
		return fmt.Errorf("%s differs from the tables: run go run ./tools/gencalls", name)
	}
	return os.WriteFile(name, want, 0o644)
}
