package main

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"

	"golang.org/x/tools/go/callgraph/cha"
	"golang.org/x/tools/go/callgraph/vta"
	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// recursesMark is the mark on a function that may call itself, directly or through
// others. Its reason says what bounds the depth: the core runs on small stacks, so no
// program may choose the depth.
const recursesMark = markPrefix + "recurses"

// checkRecursion finds the cycles of the call graph of the core packages. Calls through
// function values count, with every function that reaches the value (package vta). Each
// cycle needs a marked function in it, and each mark a cycle. It returns the number
// of functions that it looked at.
func (t tree) checkRecursion(tags string, core []string, r *result) error {
	loaded, err := t.load(tags, packages.LoadAllSyntax, core)
	if err != nil {
		return err
	}
	prog, _ := ssautil.AllPackages(loaded, ssa.InstantiateGenerics)
	prog.Build()
	g := newCallGraph(prog, core)
	at := loaded[0] // all packages have one set of files
	for fn, reason := range g.marked {
		if reason == "" {
			r.add(at, fn.Pos(), "cpucheck:recurses without a reason")
		}
	}
	used := map[*ssa.Function]bool{}
	for _, cycle := range g.cycles(nil) {
		for _, fn := range cycle {
			if _, ok := g.marked[fn]; ok {
				used[fn] = true
			}
		}
	}
	for fn := range g.marked {
		if !used[fn] {
			r.add(at, fn.Pos(), fmt.Sprintf("cpucheck:recurses changes nothing for %s", fn.Name()))
		}
	}
	for _, cycle := range g.cycles(used) {
		var names []string
		for _, fn := range g.path(cycle, used) {
			names = append(names, shortName(fn))
		}
		r.add(at, cycle[0].Pos(), "recursion without a bound: "+strings.Join(names, ", "))
	}
	r.functions = len(g.functions)
	if r.functions == 0 {
		return fmt.Errorf("no function in %d core packages", len(core))
	}
	return nil
}

// callGraph is the calls between the functions of core packages.
type callGraph struct {
	functions []*ssa.Function // in the order of their places in the source
	calls     map[*ssa.Function][]*ssa.Function
	marked    map[*ssa.Function]string // to the mark's reason
}

func newCallGraph(prog *ssa.Program, core []string) *callGraph {
	g := &callGraph{calls: map[*ssa.Function][]*ssa.Function{}, marked: map[*ssa.Function]string{}}
	in := map[*ssa.Function]bool{}
	all := ssautil.AllFunctions(prog)
	for fn := range all {
		if pkg := packageOf(fn); pkg != nil && slices.Contains(core, pkg.Pkg.Path()) {
			in[fn] = true
			g.functions = append(g.functions, fn)
			if reason, ok := recursesReason(fn); ok {
				g.marked[fn] = reason
			}
		}
	}
	slices.SortFunc(g.functions, func(a, b *ssa.Function) int {
		if a.Pos() != b.Pos() {
			return int(a.Pos() - b.Pos())
		}
		return strings.Compare(a.String(), b.String())
	})
	for fn, node := range vta.CallGraph(all, cha.CallGraph(prog)).Nodes {
		if !in[fn] {
			continue
		}
		for _, e := range node.Out {
			if to := e.Callee.Func; in[to] && !slices.Contains(g.calls[fn], to) {
				g.calls[fn] = append(g.calls[fn], to)
			}
		}
	}
	for _, list := range g.calls {
		slices.SortFunc(list, func(a, b *ssa.Function) int { return strings.Compare(a.String(), b.String()) })
	}
	return g
}

// packageOf returns the package of a function: of the generic one, for an instance.
func packageOf(fn *ssa.Function) *ssa.Package {
	if fn.Pkg == nil && fn.Origin() != nil {
		return fn.Origin().Pkg
	}
	return fn.Pkg
}

// recursesReason returns the reason of a function's mark. A function literal has that of
// the function around it.
func recursesReason(fn *ssa.Function) (reason string, ok bool) {
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	if fn.Origin() != nil {
		fn = fn.Origin()
	}
	decl := docOf(fn)
	if decl == nil {
		return "", false
	}
	for _, c := range decl.List {
		if text, found := strings.CutPrefix(c.Text, recursesMark); found {
			return strings.TrimSpace(text), true
		}
	}
	return "", false
}

// cycles returns the sets of functions that call one another, each function with some
// other, or itself, without those of leave. It is Tarjan's algorithm.
func (g *callGraph) cycles(leave map[*ssa.Function]bool) (list [][]*ssa.Function) {
	index, low := map[*ssa.Function]int{}, map[*ssa.Function]int{}
	on := map[*ssa.Function]bool{}
	var stack []*ssa.Function
	var visit func(fn *ssa.Function)
	visit = func(fn *ssa.Function) {
		index[fn] = len(index) + 1
		low[fn] = index[fn]
		stack = append(stack, fn)
		on[fn] = true
		for _, to := range g.calls[fn] {
			switch {
			case leave[to]:
			case index[to] == 0:
				visit(to)
				low[fn] = min(low[fn], low[to])
			case on[to]:
				low[fn] = min(low[fn], index[to])
			}
		}
		if low[fn] != index[fn] {
			return
		}
		i := slices.Index(stack, fn)
		set := slices.Clone(stack[i:])
		stack = stack[:i]
		for _, f := range set {
			on[f] = false
		}
		if len(set) > 1 || slices.Contains(g.calls[fn], fn) {
			list = append(list, set)
		}
	}
	for _, fn := range g.functions {
		if index[fn] == 0 && !leave[fn] {
			visit(fn)
		}
	}
	return list
}

// path returns the shortest way from the first function of a set back to it.
func (g *callGraph) path(set []*ssa.Function, leave map[*ssa.Function]bool) []*ssa.Function {
	first := set[0]
	from := map[*ssa.Function]*ssa.Function{}
	for queue := []*ssa.Function{first}; len(queue) > 0; queue = queue[1:] {
		for _, to := range g.calls[queue[0]] {
			if to == first {
				way := []*ssa.Function{first}
				for fn := queue[0]; fn != first; fn = from[fn] {
					way = slices.Insert(way, 1, fn)
				}
				return append(way, first)
			}
			if from[to] == nil && !leave[to] && slices.Contains(set, to) {
				from[to] = queue[0]
				queue = append(queue, to)
			}
		}
	}
	return set
}

// shortName is a function's name without the path of the module.
func shortName(fn *ssa.Function) string {
	name := fn.String()
	for _, prefix := range []string{"muster/kernel/", "muster/"} {
		name = strings.ReplaceAll(name, prefix, "")
	}
	return name
}

// docOf returns the comment of a function's declaration, nil if there is none.
func docOf(fn *ssa.Function) *ast.CommentGroup {
	if d, ok := fn.Syntax().(*ast.FuncDecl); ok {
		return d.Doc
	}
	return nil
}
