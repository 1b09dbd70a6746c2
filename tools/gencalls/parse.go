package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"unicode"
)

// value is a parameter or result of a call.
type value struct{ name, typ string }

// call is one method of the table.
type call struct {
	name     string
	doc      string // without directives
	core     string // function that answers it, with its package if that is not the dispatch's
	blocking bool
	inner    bool    // package kcall has a function around the stub
	params   []value // in the form of the Go caller
	out      *value  // memory that the core fills in; typ is without its star
	result   *value  // a number
	fails    bool    // an error is returned
}

// registers are the first registers of a system call's arguments, in order: as many
// as the functions of package kcall pass on.
var registers = []string{"DI", "SI", "DX", "R10"}

// parseFile reads the interface with a name from a file.
func parseFile(file, name string) ([]call, error) {
	return parse(file, nil, name)
}

func parse(file string, src any, name string) (list []call, err error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	table := interfaceIn(f, name)
	if table == nil {
		return nil, fmt.Errorf("%s has no interface %s", file, name)
	}
	for _, m := range table.Methods.List {
		c, err := parseCall(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fset.Position(m.Pos()), err)
		}
		list = append(list, c)
	}
	return list, nil
}

func interfaceIn(f *ast.File, name string) (table *ast.InterfaceType) {
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.TypeSpec); ok && s.Name.Name == name {
			table, _ = s.Type.(*ast.InterfaceType)
		}
		return table == nil
	})
	return table
}

func parseCall(m *ast.Field) (c call, err error) {
	f, ok := m.Type.(*ast.FuncType)
	if !ok || len(m.Names) != 1 {
		return c, fmt.Errorf("not a method")
	}
	c = call{name: m.Names[0].Name, doc: strings.TrimSpace(m.Doc.Text())}
	if !strings.HasPrefix(c.doc, c.name+" ") {
		return c, fmt.Errorf("%s: its comment does not begin with its name", c.name)
	}
	for _, line := range m.Doc.List {
		directive, arg, _ := strings.Cut(strings.TrimPrefix(line.Text, "//muster:"), " ")
		switch {
		case !strings.HasPrefix(line.Text, "//muster:"):
		case directive == "core":
			c.core = arg
		case directive == "blocking":
			c.blocking = true
		case directive == "inner":
			c.inner = true
		default:
			return c, fmt.Errorf("%s: unknown directive %s", c.name, directive)
		}
	}
	if c.core == "" {
		return c, fmt.Errorf("%s: no muster:core line names the function that answers it", c.name)
	}
	for _, p := range values(f.Params) {
		if _, ok := fromRegister(p.typ, ""); !ok && slots(p.typ) == 1 && !strings.HasPrefix(p.typ, "*") {
			return c, fmt.Errorf("%s: argument %s: a %s does not go in a register", c.name, p.name, p.typ)
		}
		c.params = append(c.params, p)
	}
	for _, r := range values(f.Results) {
		switch {
		case r.typ == "error":
			c.fails = true
		case strings.HasPrefix(r.typ, "*") && c.out == nil:
			c.out = &value{r.name, r.typ[1:]}
		case c.result == nil:
			c.result = &r
		default:
			return c, fmt.Errorf("%s: more results than one number and one structure", c.name)
		}
	}
	if n := c.registers(); n > len(registers) {
		return c, fmt.Errorf("%s: needs %d registers, there are %d", c.name, n, len(registers))
	}
	return c, nil
}

// values lists the names and types of a list of fields; a field without a name has
// the name "".
func values(list *ast.FieldList) (all []value) {
	if list == nil {
		return nil
	}
	for _, f := range list.List {
		typ := types.ExprString(f.Type)
		if len(f.Names) == 0 {
			all = append(all, value{"", typ})
		}
		for _, n := range f.Names {
			all = append(all, value{n.Name, typ})
		}
	}
	return all
}

// slots returns how many registers an argument takes.
func slots(typ string) int {
	if typ == "string" || strings.HasPrefix(typ, "[]") {
		return 2
	}
	return 1
}

func (c *call) registers() (n int) {
	for _, p := range c.params {
		n += slots(p.typ)
	}
	if c.out != nil {
		n++
	}
	return n
}

// stub returns the name of the function in package kcall.
func (c *call) stub() string {
	if !c.inner {
		return c.name
	}
	r := []rune(c.name)
	for i := range r {
		if i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) || unicode.IsLower(r[i]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}
