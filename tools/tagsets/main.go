// Command tagsets runs a command once for each set of build tags that the source
// knows, on the packages that the set changes.
//
//	tagsets [-tests] [-goroutines yes|no] [-only SET] [-skip TAG:REASON]... COMMAND [ARGS...]
//	tagsets -tests -goroutines yes -skip qemu:'need a machine' go test -race
//	tagsets -list
//
// The sets come from the //go:build lines: each line gives the set of the tags that it
// requires, and the empty set comes first. The command gets -tags with the
// set, and then the packages: those that are built of other files under this set than
// under the sets before it, be it by their own files or by those of a package that they
// import. -skip leaves out the sets with a tag, or one package if it names a package's
// path, and prints the reason.
// -only leaves out all sets but one, of which "none" is the empty one.
// The command fails if one of its runs fails; the others are made all the same.
// -goroutines yes is for the race detector: it leaves out the packages whose tests run in
// one goroutine, as neither they nor what they import from the module starts another one.
// -goroutines no chooses those alone.
// -list prints the sets alone, one a line, the empty one as "none".
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tagsets: ")
	skips := map[string]string{}
	flag.Func("skip", "`TAG:REASON` or PACKAGE:REASON, left out", func(s string) error {
		what, why, ok := strings.Cut(s, ":")
		if !ok || why == "" {
			return fmt.Errorf("%q gives no reason", s)
		}
		skips[what] = why
		return nil
	})
	only := flag.String("only", "", "run for this set alone")
	var which choice
	flag.BoolVar(&which.tests, "tests", false, "only packages that have tests")
	flag.Func("goroutines", "`yes` or no: only packages whose tests start goroutines, or only the others", func(s string) error {
		which.threads = s
		if s != "yes" && s != "no" {
			return errors.New("neither yes nor no")
		}
		return nil
	})
	list := flag.Bool("list", false, "print the sets")
	flag.Parse()
	if *list {
		sets, err := tagSets(".")
		if err != nil {
			log.Fatal(err)
		}
		for _, tags := range sets {
			fmt.Println(run{tags: tags}.name())
		}
		return
	}
	runs, err := plan(".", which, *only, skips)
	if err != nil {
		log.Fatal(err)
	}
	if flag.NArg() == 0 {
		log.Fatal("no command to run")
	}
	for what, why := range skips {
		if strings.Contains(what, "/") {
			fmt.Printf("-- %s: left out: %s\n", what, why)
		}
	}
	failed := false
	for _, r := range runs {
		failed = !r.execute(flag.Args()) || failed
	}
	if failed {
		os.Exit(1)
	}
}

// run is one set of tags and the packages that it concerns.
type run struct {
	tags     []string
	packages []string
	skipped  string // why it is left out, "" if it is not
}

func (r run) name() string { return cmp.Or(strings.Join(r.tags, ","), "none") }

// execute runs the command, and says whether it succeeded.
func (r run) execute(command []string) bool {
	if r.skipped != "" {
		fmt.Printf("-- tags %s: left out: %s\n", r.name(), r.skipped)
		return true
	}
	if len(r.packages) == 0 {
		return true
	}
	fmt.Printf("-- tags %s: %d packages\n", r.name(), len(r.packages))
	args := slices.Concat(command[1:], []string{"-tags", strings.Join(r.tags, ",")}, r.packages)
	cmd := exec.Command(command[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Printf("-- tags %s: %s: %v\n", r.name(), command[0], err)
		return false
	}
	return true
}

// choice is which packages of a set a command gets.
type choice struct {
	tests   bool   // those with tests alone
	threads string // "yes": those whose tests start goroutines; "no": the others; "": both
}

func (w choice) has(all map[string]*pkg, name string) bool {
	return (!w.tests || len(all[name].testFiles) > 0) && (w.threads == "" || (w.threads == "yes") == startsGoroutines(all, name))
}

// plan makes the runs for the module at root; only names one set, or is "" for all.
func plan(root string, which choice, only string, skips map[string]string) (runs []run, err error) {
	sets, err := tagSets(root)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	seen := map[string]bool{} // packages with their content
	for _, tags := range sets {
		r := run{tags: tags}
		for _, tag := range tags {
			if why := skips[tag]; why != "" {
				r.skipped, used[tag] = why, true
			}
		}
		if r.skipped == "" {
			all, err := list(root, tags)
			if err != nil {
				return nil, err
			}
			r.packages = choose(all, seen, which, skips, used)
		}
		if only == "" || only == r.name() {
			runs = append(runs, r)
		}
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("-only %s: there is no such set", only)
	}
	for what := range skips {
		if !used[what] {
			return nil, fmt.Errorf("-skip %s: there is no such tag or package", what)
		}
	}
	return runs, nil
}

// choose returns the packages of a set with a content that was not seen yet, in order.
func choose(all map[string]*pkg, seen map[string]bool, which choice, skips map[string]string, used map[string]bool) (names []string) {
	for name := range all {
		if skips[name] != "" {
			used[name] = true
			continue
		}
		key := name + "\n" + content(all, name)
		if !seen[key] && which.has(all, name) {
			names = append(names, name)
		}
		seen[key] = true
	}
	slices.Sort(names)
	return names
}
