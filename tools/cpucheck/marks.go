package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// A mark is a comment that states what the analyzer cannot see, and why it is so:
//
//	//cpucheck:switches why   on a function, a variable or a field of function type:
//	                          may switch threads, and does not return the CPU
//	//cpucheck:noreturn why   on one without a body: does not return
//	//cpucheck:other why      on a function: the CPU that it returns is another one,
//	                          and it does not switch
//	//cpucheck:recurses why   on a function: it may call itself, and what bounds the depth
//	//cpucheck:stays why      at a call: the thread goes on with the same CPU
//
// A mark without a reason, and one that changes nothing, are findings.
type mark struct {
	verb, reason string
	pos          token.Pos
	used         bool
}

const markPrefix = "//cpucheck:"

// marks holds the marks of a package.
type marks struct {
	fset    *token.FileSet
	objects map[types.Object]*mark
	lines   map[lineKey]*mark // of calls
}

type lineKey struct {
	file string
	line int
}

// parseMark returns the mark in a comment, nil if there is none.
func parseMark(c *ast.Comment) *mark {
	text, ok := strings.CutPrefix(c.Text, markPrefix)
	if !ok {
		return nil
	}
	verb, reason, _ := strings.Cut(text, " ")
	return &mark{verb: verb, reason: strings.TrimSpace(reason), pos: c.Pos()}
}

// readMarks collects the marks of a package, and reports those that are malformed.
func readMarks(pass *analysis.Pass) *marks {
	m := &marks{fset: pass.Fset, objects: map[types.Object]*mark{}, lines: map[lineKey]*mark{}}
	for _, file := range pass.Files {
		declared := m.readDeclared(pass, file)
		code := m.codeLines(file)
		for _, g := range file.Comments {
			for _, c := range g.List {
				k := parseMark(c)
				if k == nil || declared[c] {
					continue
				}
				if k.check(pass, "stays") {
					at := m.line(c.Pos())
					if !code[at.line] {
						at.line++ // a comment on a line of its own is about the next one
					}
					m.lines[at] = k
				}
			}
		}
	}
	return m
}

// readDeclared collects the marks of one file that belong to declarations, and
// returns their comments.
func (m *marks) readDeclared(pass *analysis.Pass, file *ast.File) map[*ast.Comment]bool {
	seen := map[*ast.Comment]bool{}
	note := func(names []*ast.Ident, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if g == nil {
				continue
			}
			for _, c := range g.List {
				k := parseMark(c)
				if k == nil || seen[c] {
					continue
				}
				seen[c] = true
				if !k.check(pass, "switches", "noreturn", "other", "recurses") {
					continue
				}
				for _, name := range names {
					m.objects[pass.TypesInfo.Defs[name]] = k
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			note([]*ast.Ident{n.Name}, n.Doc)
		case *ast.Field:
			note(n.Names, n.Doc, n.Comment)
		case *ast.GenDecl:
			if v, ok := n.Specs[0].(*ast.ValueSpec); ok && !n.Lparen.IsValid() {
				note(v.Names, n.Doc)
			}
		case *ast.ValueSpec:
			note(n.Names, n.Doc, n.Comment)
		}
		return true
	})
	return seen
}

// check reports a mark with an unknown verb or without a reason.
func (k *mark) check(pass *analysis.Pass, verbs ...string) bool {
	known := false
	for _, v := range verbs {
		known = known || k.verb == v
	}
	switch {
	case !known:
		pass.Reportf(k.pos, "cpucheck:%s means nothing here; one of %s does", k.verb, strings.Join(verbs, ", "))
		return false
	case k.reason == "":
		pass.Reportf(k.pos, "cpucheck:%s without a reason", k.verb)
	}
	return true
}

// codeLines returns the lines of a file on which some code begins.
func (m *marks) codeLines(file *ast.File) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.CommentGroup, *ast.Comment:
			return false
		}
		lines[m.line(n.Pos()).line] = true
		return true
	})
	return lines
}

func (m *marks) line(pos token.Pos) lineKey {
	p := m.fset.Position(pos)
	return lineKey{p.Filename, p.Line}
}

// stays reports whether the call at pos is marked as one that keeps the CPU.
func (m *marks) stays(pos token.Pos) bool {
	k := m.lines[m.line(pos)]
	if k == nil {
		return false
	}
	k.used = true
	return true
}

// reportUnused reports the marks that have changed nothing.
func (m *marks) reportUnused(pass *analysis.Pass) {
	for _, k := range m.lines {
		if !k.used {
			pass.Reportf(k.pos, "cpucheck:%s at no call that may switch threads", k.verb)
		}
	}
	for obj, k := range m.objects {
		if !k.used {
			pass.Reportf(k.pos, "cpucheck:%s changes nothing for %s", k.verb, obj.Name())
		}
	}
}
