package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// Each section exists in its file, as a heading of any level.
func TestSectionsExist(t *testing.T) {
	for _, e := range explained {
		book, err := os.ReadFile(filepath.Join(root, e.file))
		require.NoError(t, err)
		require.Regexp(t, `(?m)^##+ `+e.section+`$`, string(book), e.text)
	}
}

// Each panic of the core has an explanation of its own. The two texts that are not literals
// begin as the list does.
func TestPanicsAreExplained(t *testing.T) {
	messages := []string{"mem: ", "watchdog: "}
	err := filepath.WalkDir(filepath.Join(root, "kernel"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if name != "Panic" {
				return true
			}
			for _, a := range call.Args {
				if s, ok := a.(*ast.BasicLit); ok && s.Kind == token.STRING {
					text, err := strconv.Unquote(s.Value)
					require.NoError(t, err)
					messages = append(messages, text)
				}
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(messages), 40)
	for _, m := range messages {
		_, _, ok := explain(m)
		require.True(t, ok, "no section explains %q", m)
	}
	_, _, ok := explain("a text of no package")
	require.False(t, ok)
}
