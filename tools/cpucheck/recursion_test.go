package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recursionIn checks a module of one core package with some text.
func recursionIn(t *testing.T, text string) []string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module core\n\ngo 1.26\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("package core\n\n"+text), 0o644))
	r := result{}
	require.NoError(t, tree{dir: dir}.checkRecursion("", []string{"core"}, &r))
	require.Positive(t, r.functions)
	var list []string
	for _, f := range r.findings {
		_, f, _ = strings.Cut(f, "a.go:")
		list = append(list, f)
	}
	return list
}

// The same code with and without a call that closes a cycle: CALL is that call.
func TestRecursion(t *testing.T) {
	const walk = `
type node struct{ left, right *node }
`
	for name, tc := range map[string]struct{ text, call, want string }{
		"itself": {walk + `
func depth(n *node) int {
	if n == nil { return 0 }
	CALL
	return 1
}
`, "depth(n.left)", "core.depth, core.depth"},
		"two": {walk + `
func even(n *node) bool { return n == nil || odd(n.left) }
func odd(n *node) bool { CALL; return false }
`, "even(n.left)", "core.even, core.odd, core.even"},
		"a method": {walk + `
func (n *node) size() int { CALL; return 1 }
func start(n *node) { n.size() }
`, "n.left.size()", "(*core.node).size, (*core.node).size"},
		"a field": {walk + `
type tree struct{ update func(*node) }
func (t *tree) insert(n *node) { t.update(n) }
var all tree
func recompute(n *node) { CALL }
func start() { all.update = recompute }
`, "all.insert(n)", "(*core.tree).insert, core.recompute, (*core.tree).insert"},
		"a parameter": {walk + `
func each(n *node, f func(*node)) { f(n) }
func visit(n *node) { CALL }
func start(n *node) { each(n, visit) }
`, "each(n.left, visit)", "core.each, core.visit, core.each"},
		"a table": {walk + `
var calls [2]func(*node)
func start() { calls = [2]func(*node){first, second} }
func first(n *node) { }
func second(n *node) { CALL }
func dispatch(i int, n *node) { calls[i](n) }
`, "dispatch(1, n)", "core.second, core.dispatch, core.second"},
		"a function literal": {walk + `
func visit(n *node) {
	f := func(m *node) { CALL }
	f(n.left)
}
`, "visit(m)", "core.visit, core.visit$1, core.visit"},
		"an interface": {walk + `
type walker interface{ walk(*node) }
type deep struct{}
func (deep) walk(n *node) { CALL }
func start(n *node) { var w walker = deep{}; descend(w, n) }
func descend(w walker, n *node) { w.walk(n) }
`, "descend(deep{}, n)", "(core.deep).walk, core.descend, (core.deep).walk"},
		"a generic function": {`
func times[T any](n int, v T) { CALL }
func start() { times(3, "x"); times(3, 4) }
`, "times(n-1, v)", "core.times[int], core.times[int]"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, recursionIn(t, strings.ReplaceAll(tc.text, "CALL", "")))
			found := recursionIn(t, strings.ReplaceAll(tc.text, "CALL", tc.call))
			require.NotEmpty(t, found)
			require.Contains(t, strings.Join(found, "\n"), "recursion without a bound: "+tc.want)
		})
	}
}

// A mark accepts the cycles through a function, and no others. It needs a reason and a
// cycle.
func TestRecursionMarks(t *testing.T) {
	const marked = `
// free frees tables.
//
//cpucheck:recurses four levels of tables
func free(level int) { free(level - 1) }
`
	require.Empty(t, recursionIn(t, marked))
	require.Contains(t, recursionIn(t, marked+"func other() { free(1); other() }\n")[0], "core.other, core.other")
	require.Equal(t, []string{"7:6: cpucheck:recurses without a reason"}, recursionIn(t, strings.Replace(marked, " four levels of tables", "", 1)))
	require.Equal(t, []string{"7:6: cpucheck:recurses changes nothing for free"}, recursionIn(t, strings.Replace(marked, "free(level - 1)", "", 1)))
}

// Negative control: the kernel's own files, with a recursion injected into one.
func TestInjectedRecursionIsFound(t *testing.T) {
	for name, m := range map[string]mutation{
		"tree": {"kernel/tree/tree.go", "return leftmost(n.Right)\n\t}\n\treturn n.After()", "return n.Right.Next()\n\t}\n\treturn n.After()",
			[]string{"recursion without a bound: (*tree.Node).Next, (*tree.Node).Next"}},
		"through the hook for augmented data": {"kernel/mem/areas.go", "a.low, a.high, a.gap = low, high, gap", "a.low, a.high, a.gap = low, high, gap\n\tKernel.areas.Changed(n.Left)",
			[]string{"mem.refreshArea", "(*tree.Tree).Changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := filepath.Abs("../../" + m.file)
			require.NoError(t, err)
			good, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(good), m.old))
			look := tree{dir: "../.."}
			core := []string{"muster/kernel/mem", "muster/kernel/tree"}
			r := result{}
			require.NoError(t, look.checkRecursion("", core, &r))
			require.Empty(t, r.findings, "nothing changed")
			look.overlay = map[string][]byte{file: []byte(strings.Replace(string(good), m.old, m.new, 1))}
			require.NoError(t, look.checkRecursion("", core, &r))
			require.Len(t, r.findings, 1)
			for _, want := range m.want {
				require.Contains(t, r.findings[0], want)
			}
		})
	}
}
