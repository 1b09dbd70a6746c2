package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/build/constraint"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// pkg holds the files and imports of a package under one set of tags.
type pkg struct {
	files     []string        // of the package itself
	testFiles []string        // of its tests
	deps      map[string]bool // imported by it or its tests, directly or not
	dir       string
}

// content names the files that a package is built of under a set: its own, with those
// of its tests, and those of the module's packages that it imports.
func content(all map[string]*pkg, name string) string {
	p := all[name]
	parts := []string{strings.Join(p.files, " "), strings.Join(p.testFiles, " ")}
	for _, d := range slices.Sorted(maps.Keys(p.deps)) {
		if q := all[d]; q != nil && d != name {
			parts = append(parts, d+": "+strings.Join(q.files, " "))
		}
	}
	return strings.Join(parts, "\n")
}

// listed is one document of go list -json.
type listed struct {
	ImportPath, Dir                                  string
	GoFiles, SFiles, TestGoFiles, XTestGoFiles, Deps []string
}

// list returns the packages of the module as they are under tags.
func list(root string, tags []string) (map[string]*pkg, error) {
	cmd := exec.Command("go", "list", "-test", "-json=ImportPath,Dir,GoFiles,SFiles,TestGoFiles,XTestGoFiles,Deps", "-tags", strings.Join(tags, ","), "./...")
	cmd.Dir = root
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &errs)
	}
	all := map[string]*pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		add(all, l)
	}
}

// add takes one document in. A package p comes as itself and as its test program,
// p.test, whose dependencies are those of the tests; the variants "p [p.test]", which
// go list shows in between, hold nothing more.
func add(all map[string]*pkg, l listed) {
	name, isTest := strings.CutSuffix(l.ImportPath, ".test")
	if strings.Contains(name, " [") {
		return
	}
	p := all[name]
	if p == nil {
		p = &pkg{deps: map[string]bool{}}
		all[name] = p
	}
	for _, d := range l.Deps {
		d, _, _ = strings.Cut(d, " [")
		p.deps[d] = true
	}
	if !isTest {
		p.dir = l.Dir
		p.files = slices.Concat(l.GoFiles, l.SFiles)
		p.testFiles = slices.Concat(l.TestGoFiles, l.XTestGoFiles)
	}
}

// tagSets reads the //go:build lines below root. The empty set comes first.
func tagSets(root string) ([][]string, error) {
	found := map[string]bool{"": true}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != root) {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(file); ext != ".go" && ext != ".s" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		tags, err := required(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		found[strings.Join(tags, ",")] = true
		return nil
	})
	var sets [][]string
	for set := range found {
		sets = append(sets, strings.FieldsFunc(set, func(r rune) bool { return r == ',' }))
	}
	slices.SortFunc(sets, slices.Compare)
	return sets, err
}

// required returns the tags that must be given for a file to be built, in order.
func required(text string) (tags []string, err error) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "package ") || strings.HasPrefix(line, "#include") || strings.HasPrefix(line, "TEXT") {
			break
		}
		if !constraint.IsGoBuild(line) {
			continue
		}
		x, err := constraint.Parse(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		tags = positive(x, tags)
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

// given are tags that the toolchain sets by itself.
var given = []string{runtime.GOOS, runtime.GOARCH, "unix", "race", "cgo", "gc"}

// positive adds the tags of x that are not under a "!".
func positive(x constraint.Expr, tags []string) []string {
	switch x := x.(type) {
	case *constraint.AndExpr:
		return positive(x.Y, positive(x.X, tags))
	case *constraint.OrExpr:
		return positive(x.Y, positive(x.X, tags))
	case *constraint.TagExpr:
		if !slices.Contains(given, x.Tag) {
			return append(tags, x.Tag)
		}
	}
	return tags
}
