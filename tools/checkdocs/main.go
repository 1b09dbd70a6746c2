// Command checkdocs looks up the references of the documentation: names in the source
// ("kernel/smp/smp.go:StartAll"), files, links between pages, Make targets, the
// chapters that packages name, and names in comments. So a rename is noticed the same
// day. A walk through the source, a section "### Walk: ...", may name a file once.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	root := flag.String("root", ".", "top of the source tree")
	flag.Parse()
	findings, n, err := check(*root)
	if err != nil {
		log.Fatal(err)
	}
	stale, k, err := comments(*root)
	if err != nil {
		log.Fatal(err)
	}
	n += k
	findings = append(findings, stale...)
	for _, f := range findings {
		fmt.Fprintln(os.Stderr, "checkdocs:", f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
	fmt.Printf("checkdocs: %d references, all found\n", n)
}

var (
	// `kernel/smp/smp.go:StartAll`, `boot/boot_amd64.s:entry32`, or the file alone.
	reference = regexp.MustCompile("`([a-zA-Z0-9_./-]+/[a-zA-Z0-9_.-]+\\.(?:go|s|ld|sh|md))(?::([A-Za-z0-9_.]+))?`")
	link      = regexp.MustCompile(`\]\(([^)#]+?)(?:#[^)]*)?\)`)
	target    = regexp.MustCompile("`make ([a-z]+)`")
	files     = regexp.MustCompile(`(?m)^Files: (.*(?:\n\S.*)*)$`)
	chapter   = regexp.MustCompile(`docs/[0-9a-z-]+\.md`)
	asmText   = regexp.MustCompile(`(?m)^TEXT ·([A-Za-z0-9_]+)\(SB\)`)
	rule      = regexp.MustCompile(`(?m)^([a-z]+):`)
)

// check returns the references that are not found, and the number of references.
func check(root string) (findings []string, n int, err error) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, 0, err
	}
	more, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		return nil, 0, err
	}
	pages = append(pages, more...)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return nil, 0, err
	}
	rules := map[string]bool{}
	for _, m := range rule.FindAllStringSubmatch(string(makefile), -1) {
		rules[m[1]] = true
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, 0, err
		}
		name, _ := filepath.Rel(root, page)
		say := func(format string, args ...any) {
			findings = append(findings, name+": "+fmt.Sprintf(format, args...))
		}
		for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
			n++
			if err := find(root, m[1], m[2]); err != nil {
				say("%v", err)
			}
		}
		for _, m := range files.FindAllStringSubmatch(string(text), -1) {
			for _, f := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
				n++
				if _, err := os.Stat(filepath.Join(root, strings.Trim(f, ".`"))); err != nil {
					say("Files: %s does not exist", f)
				}
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				say("link to %s, which does not exist", m[1])
			}
		}
		for _, w := range walks(string(text)) {
			say("%s", w)
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			n++
			if !rules[m[1]] {
				say("the Makefile has no target %s", m[1])
			}
		}
	}
	more, k, err := chapters(root)
	return append(findings, more...), n + k, err
}

// walk is a section that follows one thing through the files of the kernel.
var walk = regexp.MustCompile(`(?m)^### Walk: (.*)\n((?:[^#\n].*\n|\n)*)`)

// walks returns the files that a walk names twice, and the walks that name no file.
func walks(page string) (findings []string) {
	for _, w := range walk.FindAllStringSubmatch(page, -1) {
		seen := map[string]bool{}
		for _, m := range reference.FindAllStringSubmatch(w[2], -1) {
			if seen[m[1]] {
				findings = append(findings, fmt.Sprintf("walk %q passes %s twice", w[1], m[1]))
			}
			seen[m[1]] = true
		}
		if len(seen) == 0 {
			findings = append(findings, fmt.Sprintf("walk %q passes no file", w[1]))
		}
	}
	return findings
}

// find looks up a name in a file: a function, method, type, constant or variable
// of Go, or a function of assembly.
func find(root, file, name string) error {
	path := filepath.Join(root, file)
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s does not exist", file)
	}
	if name == "" {
		return nil
	}
	switch filepath.Ext(file) {
	case ".s":
		for _, m := range asmText.FindAllStringSubmatch(string(source), -1) {
			if m[1] == name {
				return nil
			}
		}
	case ".go":
		f, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if declares(d, name) {
				return nil
			}
		}
	default:
		if strings.Contains(string(source), name) {
			return nil
		}
	}
	return fmt.Errorf("%s has no %s", file, name)
}

func declares(d ast.Decl, name string) bool {
	switch d := d.(type) {
	case *ast.FuncDecl:
		full := d.Name.Name
		if d.Recv != nil {
			t := d.Recv.List[0].Type
			if star, ok := t.(*ast.StarExpr); ok {
				t = star.X
			}
			if id, ok := t.(*ast.Ident); ok {
				full = id.Name + "." + full
			}
		}
		return full == name
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.Name == name {
					return true
				}
			case *ast.ValueSpec:
				for _, id := range s.Names {
					if id.Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

// chapters looks up the pages that package comments name.
func chapters(root string) (findings []string, n int, err error) {
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" && filepath.Ext(path) != ".s" || strings.Contains(path, "tools/checkdocs") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, c := range chapter.FindAllString(string(source), -1) {
			n++
			if _, err := os.Stat(filepath.Join(root, c)); err != nil {
				findings = append(findings, fmt.Sprintf("%s: %s does not exist", path, c))
			}
		}
		return nil
	})
	return findings, n, err
}
