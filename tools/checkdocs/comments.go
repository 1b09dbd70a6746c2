package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	// qualified is a name with its package or variable: trap.Frame, irqs.mu.
	qualified = regexp.MustCompile(`\b([a-z][a-z0-9]*)\.([A-Za-z_][A-Za-z0-9_]*)\b`)
	// camel is a name with a capital after a small letter: StartAll, runQueue.
	camel = regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*\b`)
	// word is a part of code that may be a name.
	word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	// foreign is what a comment quotes from elsewhere: text in quotes, addresses, files.
	foreign = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|https?://\\S+|\\S*/\\S*|\\b[A-Za-z0-9_-]+\\.(go|s|h|md|sh|ld|asl|pml)\\b")
	// source is a line that quotes a manual.
	source = regexp.MustCompile(`^(Manual|Source):`)
)

// outside are words of comments that have the form of a name but belong to other systems.
var outside = map[string]bool{
	"McKinley":         true, // an author
	"MultiProcessor":   true, // Intel's specification
	"MurmurHash3":      true, // a hash function
	"PC16550D":         true, // National Semiconductor's UART
	"SeaBIOS":          true, // QEMU's firmware
	"ChaCha20":         true, // a cipher
	"TiB":              true, // a unit
	"ttyS0":            true, // Linux's name of COM1
	"vm.max_map_count": true, // a sysctl of Linux
}

// names is all names and comments of the tree.
type names struct {
	all  map[string]bool            // also "x.Name" for each selector
	in   map[string]map[string]bool // by package
	note []comment
}

// comment is a comment's text with its place.
type comment struct{ where, text string }

// comments returns the names in comments of Go and of assembly that no code of the tree
// uses, and the number of names. A name of a package must be in that package. Any other
// name counts as found if any code uses it, so the check misses a stale name that has
// another meaning elsewhere.
func comments(root string) (findings []string, n int, err error) {
	t := names{all: map[string]bool{}, in: map[string]map[string]bool{}}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir // testdata has comments that are wrong on purpose
		}
		switch filepath.Ext(path) {
		case ".go":
			return t.readGo(path)
		case ".s", ".h", ".ld", ".pml":
			return t.readOther(path)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for _, c := range t.note {
		text := foreign.ReplaceAllString(c.text, " ")
		for _, m := range qualified.FindAllStringSubmatch(text, -1) {
			n++
			if p := t.in[m[1]]; p != nil && !p[m[2]] && !t.all[m[1]+"."+m[2]] {
				findings = append(findings, fmt.Sprintf("%s: package %s has no %s", c.where, m[1], m[2]))
			} else if p == nil && !(t.all[m[1]] && t.all[m[2]]) && !outside[m[0]] {
				findings = append(findings, fmt.Sprintf("%s: nothing is named %s", c.where, m[0]))
			}
		}
		for _, w := range camel.FindAllString(text, -1) {
			n++
			if !t.all[w] && !outside[w] {
				findings = append(findings, fmt.Sprintf("%s: nothing is named %s", c.where, w))
			}
		}
	}
	return findings, n, nil
}

// readGo collects the names and the comments of a file of Go. All words of its strings
// are names too: they may name commands, fields of JSON, symbols of the runtime.
func (t *names) readGo(path string) error {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	pkg := strings.TrimSuffix(f.Name.Name, "_test")
	if t.in[pkg] == nil {
		t.in[pkg] = map[string]bool{}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			t.all[n.Name], t.in[pkg][n.Name] = true, true
		case *ast.SelectorExpr: // a local variable may have a package's name
			if x, ok := n.X.(*ast.Ident); ok {
				t.all[x.Name+"."+n.Sel.Name] = true
			}
		case *ast.BasicLit:
			for _, w := range word.FindAllString(n.Value, -1) {
				t.all[w] = true
			}
		}
		return true
	})
	for _, group := range f.Comments {
		for _, c := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
			if strings.HasPrefix(c.Text, "//go:") || strings.HasPrefix(c.Text, "//muster:") || source.MatchString(text) {
				continue
			}
			t.note = append(t.note, comment{files.Position(c.Pos()).String(), text})
		}
	}
	return nil
}

// readOther collects the names and the comments of a file of another language.
func (t *names) readOther(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i, l := range strings.Split(string(text), "\n") {
		code, note, _ := strings.Cut(l, "//")
		for _, w := range word.FindAllString(code, -1) {
			t.all[w] = true
		}
		if !strings.HasPrefix(note, "|") {
			t.note = append(t.note, comment{fmt.Sprintf("%s:%d", path, i+1), note})
		}
	}
	return nil
}
