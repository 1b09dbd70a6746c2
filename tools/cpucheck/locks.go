package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// A function says what it has to do with locks in its comment. The line begins with
// "Locks:", and its first sentence is made of clauses, separated by semicolons:
//
//	none                        takes no lock
//	takes q.mu                  and releases it
//	as Zap                      what the comment of function Zap says, which holds none
//	q.mu held                   the caller holds it; also "a.mu and b.mu held"
//	q.mu held, dropped meanwhile
//	not asserted: why           why the function cannot check what is held
//
// Any other clause may follow these. A lock is named as the function's code names
// it. A function with a clause "held" begins with q.mu.AssertHeld(c) for each lock,
// and a function that begins so has the clause. Sentences after the first are for the
// reader alone.

// contract is what a comment says.
type contract struct {
	all        []string // locks that are held
	unasserted bool
	as         string
}

var (
	heldClause = regexp.MustCompile(`^(.*) held(?:, dropped meanwhile)?$`)
	heldWord   = regexp.MustCompile(`\bheld\b`)
	lockName   = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$`)
	heading    = regexp.MustCompile(`^[A-Z][a-z]+:( |$)`)
	asClause   = regexp.MustCompile(`^as ([\w.]+)$`)
	// Held locks that a line Context mentions, but those that must not be held.
	heldElsewhere = regexp.MustCompile(`\b(?:is|are) held\b`)
)

// section returns the text under a heading of a function's comment.
func section(doc *ast.CommentGroup, name string) (text string, ok bool) {
	for line := range strings.Lines(doc.Text()) {
		line = strings.TrimSpace(line)
		switch {
		case ok && (line == "" || heading.MatchString(line)):
			return text, true
		case ok:
			text += " " + line
		case line == name || strings.HasPrefix(line, name+" "):
			text, ok = strings.TrimSpace(strings.TrimPrefix(line, name)), true
		}
	}
	return text, ok
}

// parseContract reads the text under Locks.
func parseContract(text string) (k contract, err error) {
	first, rest, _ := strings.Cut(text+" ", ". ")
	if heldWord.MatchString(rest) {
		return k, fmt.Errorf("%q: what is held belongs into the first sentence", strings.TrimSpace(rest))
	}
	var unnamed error
	for i, clause := range strings.Split(strings.TrimSuffix(strings.TrimSpace(first), "."), ";") {
		clause = strings.TrimSpace(clause)
		if reason, ok := strings.CutPrefix(clause, "not asserted:"); ok {
			if strings.TrimSpace(reason) == "" {
				return k, fmt.Errorf("not asserted, without a reason")
			}
			k.unasserted = true
			continue
		}
		switch m := heldClause.FindStringSubmatch(clause); {
		case clause == "none" || clause == "none held":
		case m != nil:
			if err := k.hold(m[1]); err != nil {
				unnamed = err
			}
		case asClause.MatchString(clause):
			k.as = asClause.FindStringSubmatch(clause)[1]
		case heldWord.MatchString(clause):
			unnamed = fmt.Errorf("%q: write \"q.mu held\"", clause)
		case i == 0 && !strings.HasPrefix(clause, "takes "):
			return k, fmt.Errorf("%q: begin with none, takes, as, or the locks that are held", clause)
		}
	}
	if unnamed != nil && !k.unasserted {
		return k, unnamed
	}
	return k, nil
}

// hold adds the locks of a clause.
func (k *contract) hold(list string) error {
	names := strings.Split(list, " and ")
	for _, name := range names {
		if !lockName.MatchString(name) {
			return fmt.Errorf("%q: name the lock as the code does", name)
		}
	}
	k.all = append(k.all, names...)
	return nil
}

// holds reports whether the caller holds a lock.
func (k *contract) holds() bool { return len(k.all) > 0 }

// asserted returns the locks that a function asserts before it does anything else.
func asserted(body *ast.BlockStmt) (all []string) {
	if body == nil {
		return nil
	}
	for _, s := range body.List {
		e, ok := s.(*ast.ExprStmt)
		if !ok {
			break
		}
		call, ok := e.X.(*ast.CallExpr)
		if !ok {
			break
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || f.Sel.Name != "AssertHeld" {
			break
		}
		all = append(all, types.ExprString(f.X))
	}
	return all
}

// checkLocks compares the comments of a package's functions with their first
// statements. It returns how many comments say something of locks.
func checkLocks(files []*ast.File, report func(token.Pos, string)) (n int) {
	holding := map[string]bool{} // functions, by name, whose callers hold a lock
	var as []*ast.FuncDecl
	for _, file := range files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			k, found := checkFunction(fn, report)
			if found {
				n++
			}
			holding[fn.Name.Name] = holding[fn.Name.Name] || k.holds() || k.unasserted
			if k.as != "" {
				as = append(as, fn)
			}
		}
	}
	for _, fn := range as {
		text, _ := section(fn.Doc, "Locks:")
		k, _ := parseContract(text)
		name := k.as[strings.LastIndex(k.as, ".")+1:]
		if held, known := holding[name]; !known || held {
			report(fn.Pos(), fmt.Sprintf("%s: Locks as %s: that is not a function here, or its caller holds a lock; write it out", fn.Name.Name, k.as))
		}
	}
	return n
}

// checkFunction compares one function's comment with its first statements.
func checkFunction(fn *ast.FuncDecl, report func(token.Pos, string)) (k contract, found bool) {
	say := func(format string, args ...any) {
		report(fn.Pos(), fn.Name.Name+": "+fmt.Sprintf(format, args...))
	}
	if text, _ := section(fn.Doc, "Context:"); heldElsewhere.MatchString(text) {
		say("Context says that a lock is held: that belongs under Locks")
	}
	all := asserted(fn.Body)
	text, found := section(fn.Doc, "Locks:")
	if found {
		var err error
		if k, err = parseContract(text); err != nil {
			say("Locks: %v", err)
			return k, true
		}
	}
	switch {
	case k.unasserted && len(all) > 0:
		say("the comment says that nothing is asserted, but something is")
	case k.unasserted:
	case !sameSet(k.all, all):
		say("held by its comment: %s; asserted first: %s", list(k.all), list(all))
	}
	return k, found
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
