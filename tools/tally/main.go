// Command tally counts what test suites say.
//
//	tally test [-v] [-show RE] FILE ARGS...  run go test -json ARGS, and note each test in FILE
//	tally suite FILE NAME STATUS LINES       note that a suite ended with STATUS
//	tally report FILE                        list the skipped tests, and close with the counts
//
// A suite is any command; it counts as one test unless it ran tally test, which shows in
// FILE, longer now than the LINES before the suite. Of tests with subtests only the
// subtests count. What the tests print is shown as go test shows it: all of it for a
// package that failed, one line for one that passed, with those of its tests' lines that
// match -show. -v shows everything as it comes.
//
// The report lists the slowest tests of 10 s and more, each failed test with an excerpt of what it printed, and each skipped
// test with its reason. An interrupt ends go test, and what has ended by then is noted. Where the
// variable CI is true a skipped test counts as failed, unless MUSTER_SKIPS_ALLOWED, a list with spaces, has its exact name
// ("TestA TestB/sub"). A package that has tests and runs none of them failed too. The last
// line of a report is "N passed, N failed, N skipped", and its status is 1 if any failed.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tally: ")
	if len(os.Args) < 3 {
		log.Fatal("usage: tally test [-v] [-show RE] FILE ARGS..., tally suite FILE NAME STATUS LINES, or tally report FILE")
	}
	ok, err := false, error(nil)
	switch args := os.Args[2:]; os.Args[1] {
	case "suite":
		ok, err = suite(args)
	case "test":
		ok, err = test(args)
	case "report":
		ok, err = report(args)
	default:
		err = fmt.Errorf("%s: no such command", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
	if !ok {
		os.Exit(1)
	}
}

// suite notes how a suite ended, unless the tests that it ran say it: a suite without
// tests counts as one, and one that failed while none of its tests did failed too.
func suite(args []string) (ok bool, err error) {
	if len(args) != 4 {
		return false, errors.New("suite needs a file, a name, a status and a number of lines")
	}
	status, err1 := strconv.Atoi(args[2])
	lines, err2 := strconv.Atoi(args[3])
	r, err3 := read(args[0])
	if err := errors.Join(err1, err2, err3); err != nil {
		return false, err
	}
	noted := r[min(lines, len(r)):]
	if len(noted) == 0 || status != 0 && !noted.failed() {
		return true, note(args[0], result{Suite: args[1], Outcome: outcome(status == 0)})
	}
	return true, nil
}
