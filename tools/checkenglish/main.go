// Command checkenglish finds wordings that this project does not use: words for
// which the manuals and Linux have another term, and sentences that hide their
// actor. It reads comments and prose strings of Go, comments of assembly, of the
// Makefile, of scripts and of the linker script, and the prose of Markdown files.
// The table of patterns is in patterns.go.
//
// A comment that begins with "english:ok" excuses the findings in its own line and in
// the next one. The rest of that comment says why. A marker without a reason, or one
// that excuses nothing, is a finding too.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("checkenglish: ")
	root := flag.String("root", ".", "top of the source tree")
	flag.Parse()
	findings, sentences, err := check(*root, flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Fprintln(os.Stderr, f)
	}
	if len(findings) > 0 {
		log.Fatalf("%d findings in %d sentences", len(findings), sentences)
	}
	fmt.Printf("checkenglish: %d sentences, %d patterns, no finding\n", sentences, len(patterns))
}

// unread are paths below root that are not read: the output of the build, and the wordings
// that this command refuses, in its table and in its tests.
var unread = []string{"build", "tools/checkenglish/patterns.go", "tools/checkenglish/main_test.go", "tools/checkenglish/testdata"}

// check reads the files under root whose paths start with one of prefixes, all files
// if there are no prefixes. It returns the findings and the number of sentences.
func check(root string, prefixes []string) (findings []string, sentences int, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && name != "." && d.Name() != ".github"
		if hidden || hasPrefix(name, unread) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() || len(prefixes) > 0 && !hasPrefix(name, prefixes) {
			return nil
		}
		read := reader(name)
		if read == nil {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		prose, err := read(name, string(text))
		if err != nil {
			return err
		}
		f, n := judge(name, prose)
		findings, sentences = append(findings, f...), sentences+n
		return nil
	})
	return findings, sentences, err
}

func hasPrefix(name string, prefixes []string) bool {
	for _, p := range prefixes {
		p = strings.TrimSuffix(p, "/")
		if name == p || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}

// judge compares the sentences of one file with the table of patterns.
func judge(name string, prose []paragraph) (findings []string, sentences int) {
	say := func(line int, format string, args ...any) {
		findings = append(findings, fmt.Sprintf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	excused := map[int]bool{} // by line of the marker: whether it excused a finding
	for _, p := range prose {
		for i, l := range p.lines {
			if p.literal {
				break
			}
			switch reason, ok := marker(l); {
			case ok && reason == "":
				say(p.number(i), "the marker english:ok has no reason")
			case ok:
				excused[p.number(i)] = false
			}
		}
	}
	for _, p := range prose {
		for _, s := range p.sentences() {
			sentences++
			for _, f := range match(s.text) {
				line := s.lineOf(f.at)
				if m, ok := excuse(excused, line); ok {
					excused[m] = true
					continue
				}
				say(line, "%s: %q: %s: write %s", f.pattern.name, s.text, f.pattern.reason, f.pattern.instead)
			}
		}
	}
	for line, used := range excused {
		if !used {
			say(line, "the marker english:ok excuses nothing")
		}
	}
	return findings, sentences
}

// excuse returns the line of the marker that excuses a finding in line.
func excuse(markers map[int]bool, line int) (int, bool) {
	for _, m := range []int{line, line - 1} {
		if _, ok := markers[m]; ok {
			return m, true
		}
	}
	return 0, false
}

// marker returns the reason in an exemption, if l holds an exemption.
func marker(l string) (reason string, ok bool) {
	l = strings.TrimSpace(strings.TrimPrefix(l, "<!--"))
	reason, ok = strings.CutPrefix(l, "english:ok")
	return strings.Trim(reason, ": ->"), ok
}
