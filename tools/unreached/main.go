// Command unreached finds functions that nothing calls.
//
//	unreached [-builds SETS] SET...
//
// A SET is a list of build tags with commas, or "none" for no tags. Sets that -builds does
// not name have tests alone, and are taken together as one. The call graph is that of
// golang.org/x/tools/cmd/deadcode, Rapid Type Analysis, which starts at the main
// functions. deadcode alone would report much of this kernel, since it does not read
// assembly; here the functions that a .s file names are called too. A function whose
// address is taken, for a variable that assembly loads among others, counts as called.
//
// A function must be reached from a program that make builds, under one of the sets
// of -builds. Three kinds may be reached from tests instead: functions in _test.go
// files, in files that no such program has, and in packages whose comment says
// "Layer: host tests". Where only tests use a function it belongs into a _test.go file.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("unreached: ")
	builds := flag.String("builds", "none debug", "sets of tags that make builds programs with")
	root := flag.String("root", ".", "module root")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("no set of tags; none is one")
	}
	findings, n, err := check(*root, strings.Fields(*builds), flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Fprintln(os.Stderr, f)
	}
	fmt.Printf("unreached: %d functions checked\n", n)
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// fate says how a function is reached.
type fate struct {
	name              string
	built             bool // its file is part of a program
	forTests          bool // its file or package is there for tests
	program, fromTest bool // reached from
}

// joined returns the sets of which programs are built, and one with the tags of all others.
func joined(builds, sets []string) (list []string) {
	var tests []string
	for _, set := range sets {
		if slices.Contains(builds, set) {
			list = append(list, set)
		} else {
			tests = append(tests, strings.Split(set, ",")...)
		}
	}
	if len(tests) > 0 {
		slices.Sort(tests)
		list = append(list, strings.Join(slices.Compact(tests), ","))
	}
	return list
}

// check judges the functions of the module at root. A finding is "file:line: what".
func check(root string, builds, sets []string) (findings []string, n int, err error) {
	all := map[string]*fate{}
	for _, set := range joined(builds, sets) {
		if err := analyse(root, set, slices.Contains(builds, set), all); err != nil {
			return nil, 0, fmt.Errorf("tags %s: %w", set, err)
		}
	}
	for place, f := range all {
		switch {
		case f.program:
		case f.fromTest && (f.forTests || !f.built):
		case f.fromTest:
			findings = append(findings, place+": "+f.name+" is called from tests alone")
		default:
			findings = append(findings, place+": "+f.name+" is never called")
		}
	}
	slices.Sort(findings)
	return findings, len(all), nil
}
