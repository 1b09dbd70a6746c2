package sysfuzz

import (
	"go/ast"
	"go/constant"
	"go/types"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// compared is the programs whose answers the tests compare with Linux's.
var compared = []string{"files", "vmprobe", "sigtime", "calls"}

// unanswered is the calls that do not return to the program that makes them.
var unanswered = map[uint64]string{60: "exit", 231: "exit_group"}

// Every call of the kernel's table is made by a program whose answers are compared with
// those of Linux.
func TestEveryCallIsCompared(t *testing.T) {
	text, err := os.ReadFile("../../kernel/linux/syscall.go")
	require.NoError(t, err)
	made := madeBy(t, compared...)
	found := regexp.MustCompile(`(?m)^\t(\d+):\s+sys\w+,`).FindAllSubmatch(text, -1)
	require.Greater(t, len(found), 80)
	for _, m := range found {
		n, err := strconv.ParseUint(string(m[1]), 10, 64)
		require.NoError(t, err)
		if unanswered[n] == "" {
			require.True(t, made[n], "no program makes system call %d: add it to test/testdata/calls", n)
		}
	}
}

// A program without a call is found out, and a number that is not one of a call does not
// count.
func TestCallsThatAreNotMade(t *testing.T) {
	made := madeBy(t, "vmprobe")
	require.True(t, made[9], "mmap")
	require.True(t, made[26], "msync, which a table of arguments follows")
	require.False(t, made[8], "lseek: 8 is a number of pages")
	require.False(t, made[233], "epoll_ctl")
}

// madeBy returns the numbers of the system calls in programs.
func madeBy(t *testing.T, programs ...string) map[uint64]bool {
	t.Helper()
	var paths []string
	for _, p := range programs {
		paths = append(paths, "muster/test/testdata/"+p)
	}
	const all = packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps
	list, err := packages.Load(&packages.Config{Mode: all, Env: append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")}, paths...)
	require.NoError(t, err)
	require.Len(t, list, len(programs))
	made := map[uint64]bool{}
	for _, p := range list {
		require.Empty(t, p.Errors)
		f := &flow{info: p.TypesInfo, numbers: map[types.Object]bool{}, made: made}
		for n := -1; n < len(f.numbers); { // until nothing new is found
			n = len(f.numbers)
			for _, file := range p.Syntax {
				ast.Inspect(file, f.visit)
			}
		}
	}
	return made
}

// flow follows the numbers of system calls backwards: from the functions of package syscall, and the two of internal/sys, to
// parameters and fields, and to the constants that they get.
type flow struct {
	info    *types.Info
	numbers map[types.Object]bool // parameters and fields that are a call's number
	made    map[uint64]bool
}

func (f *flow) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		f.call(n)
	case *ast.CompositeLit:
		f.literal(n)
	}
	return true
}

func (f *flow) call(n *ast.CallExpr) {
	var id *ast.Ident
	switch fun := n.Fun.(type) {
	case *ast.Ident:
		id = fun
	case *ast.SelectorExpr:
		id = fun.Sel
	default:
		return
	}
	fn, ok := f.info.Uses[id].(*types.Func)
	if !ok {
		return
	}
	raw := regexp.MustCompile(`^(syscall\.(Raw)?Syscall6?|muster/test/testdata/internal/sys\.(Call|Raw))$`).MatchString(fn.FullName())
	params := fn.Signature().Params()
	for i, arg := range n.Args {
		if i < params.Len() && (raw && i == 0 || f.numbers[params.At(i)]) {
			f.number(arg)
		}
	}
}

// literal looks at the fields of a structure.
func (f *flow) literal(n *ast.CompositeLit) {
	s, ok := f.info.TypeOf(n).Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, e := range n.Elts {
		field, value := types.Object(nil), e
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			field, value = f.info.Uses[kv.Key.(*ast.Ident)], kv.Value
		} else {
			field = s.Field(i)
		}
		if f.numbers[field] {
			f.number(value)
		}
	}
}

// number notes that an expression is the number of a call.
func (f *flow) number(e ast.Expr) {
	if v := f.info.Types[e].Value; v != nil {
		if n, ok := constant.Uint64Val(constant.ToInt(v)); ok {
			f.made[n] = true
		}
		return
	}
	switch e := e.(type) {
	case *ast.Ident:
		f.numbers[f.info.Uses[e]] = true
	case *ast.SelectorExpr:
		f.numbers[f.info.Uses[e.Sel]] = true
	}
}
