//go:build qemu

package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// unrun lists the documented commands that no test here runs, with the reason.
var unrun = map[string]string{
	"git clone <this repository> muster && cd muster":       "needs the repository's address",
	"make usb DEV=/dev/sdX":                                 "overwrites a disk",
	"scripts/qemu-run.sh --qemu '-device VGA -display gtk'": "it opens a window; TestScreens reads screens without one",
	"make iso PROGRAMS='build/hello'":                       "TestStickPrograms makes such images",
	"make test":                                             "runs this test",
	"make soak":                                             "takes hours",
	"make bench":                                            "takes long, and writes docs/measurements.md",
	"make trace":                                            "writes docs/bringup.svg",
	"make setup":                                            "installs packages",
	"make clean":                                            "removes what the other tests need",
	"make lint":                                             "a suite of its own: scripts/test.sh",
	"make checkdocs":                                        "a suite of its own: scripts/test.sh",
	"go run ./tools/gencalls":                               "writes source; scripts/test.sh runs it with -check",
	"go run ./tools/cpucheck ./...":                         "a suite of its own: scripts/test.sh",
	"go test ./kernel/sched":                                "part of a suite: scripts/test.sh",
	"go test ./...":                                         "a suite of its own: scripts/test.sh",
	"go test -tags debug":                                   "a suite of its own: scripts/test.sh",
	"go test -tags explore ./kernel/...":                    "a suite of its own: scripts/test.sh",
	"go test -tags qemu ./test":                             "runs this test",
	"go test -tags qemu -count=1 -run TestTick ./test": "part of this suite",
	"make gdb":                          "waits for commands; TestGDB gives some",
	"make profile":                      "README has it with commands to run",
	"go tool pprof":                     "needs a file; TestSampling runs it",
	"scripts/lint.sh":                   "make lint runs it",
	"scripts/lint.sh waits":             "make lint runs it",
	"scripts/bochs-run.sh --run 'test'": "TestBochs does it",
	"scripts/test.sh":                   "make test runs it",
}

// lengthy are commands that make soak alone runs.
var lengthy = map[string]bool{"make screenshots": true}

// command finds what a reader would type: a line of a block, or text between backquotes,
// that begins with a program of the project.
var (
	command = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )?(?:make|go|git|dd|echo|scripts/\S+\.sh|qemu-system-x86_64)(?: |$)`)
	quotes  = regexp.MustCompile("`([^`\n]+)`")
)

// documented returns the commands of a file, in order.
func documented(t *testing.T, file string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	add := func(c string) {
		c = strings.TrimSpace(c)
		if words := strings.Fields(c); command.MatchString(c) && (len(words) > 1 || strings.HasPrefix(c, "scripts/")) && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	for line := range strings.Lines(string(text)) {
		if block, ok := strings.CutPrefix(line, "    "); ok {
			before, _, _ := strings.Cut(block, "  #")
			add(before)
			continue
		}
		for _, m := range quotes.FindAllStringSubmatch(line, -1) {
			add(m[1])
		}
	}
	return list
}

// showStatus is how a documented command prints its status.
const showStatus = "; echo $?"

// typed runs a command as a reader types it, and ends a machine that shows its prompt. err
// says that the command failed, also where another one comes after it in the line.
func typed(t *testing.T, dir, line string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.For(5*time.Minute))
	defer cancel()
	cmd := patience.Command(ctx, "bash", "-o", "pipefail", "-c", line)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(interrupt) }
	cmd.WaitDelay = patience.For(10 * time.Second)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	w := &answerer{in: in}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	out = strings.ReplaceAll(w.out.String(), "\r", "")
	if err == nil && strings.HasSuffix(line, showStatus) && !strings.HasSuffix(out, "\n0\n") {
		err = errors.New("the status that it prints is not 0")
	}
	return out, err
}

// answerer switches the machine off at the first prompt.
type answerer struct {
	mu  sync.Mutex
	out bytes.Buffer
	in  io.WriteCloser
	off bool
}

func (a *answerer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out.Write(p)
	// A line of the log may come before the prompt: the keyboard is found while the shell begins.
	_, banner, ok := bytes.Cut(a.out.Bytes(), []byte("lists the commands.\r\n"))
	if !a.off && ok && bytes.Contains(banner, []byte("muster> ")) {
		a.off = true
		go io.WriteString(a.in, "poweroff\r")
	}
	return len(p), nil
}

const hello = `package main

import (
	"fmt"
	"os"
)

func main() { fmt.Println("hello,", os.Args[1:]) }
`

// Every command of the README and of CONTRIBUTING.md runs as it is written, or unrun says
// why it does not.
func TestDocumentedCommands(t *testing.T) {
	elsewhere := t.TempDir() // a reader's own program: a folder beside the tree's
	tree, err := filepath.Abs(root)
	require.NoError(t, err)
	for _, d := range []string{"scripts", "build"} {
		require.NoError(t, os.Symlink(filepath.Join(tree, d), filepath.Join(elsewhere, d)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(elsewhere, "hello"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "hello", "main.go"), []byte(hello), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "go.mod"), []byte("module example\n"), 0o644))
	seen := map[string]bool{}
	for _, file := range []string{"README.md", "CONTRIBUTING.md"} {
		list := documented(t, file)
		require.NotEmpty(t, list)
		for _, c := range list {
			if seen[c] {
				continue
			}
			seen[c] = true
			if unrun[c] != "" || !long && lengthy[c] {
				continue
			}
			t.Run(c, func(t *testing.T) {
				dir := tree
				if strings.Contains(c, "hello") {
					dir = elsewhere
				}
				out, err := typed(t, dir, c)
				require.NoError(t, err, "%s", out)
				switch {
				case strings.Contains(c, "--app "):
					require.Contains(t, out, "hello,")
				case strings.HasPrefix(c, "qemu-system"), c == "make run":
					require.Contains(t, out, "muster> ")
				}
			})
		}
	}
	for c := range unrun {
		require.True(t, seen[c], "unrun lists what no file documents: %s", c)
	}
}

// A command that fails is noticed wherever it stands in its line: control of the test above.
func TestFailedCommandsAreNoticed(t *testing.T) {
	for _, line := range []string{"%s", "%s" + showStatus, "echo text | %s | sort"} {
		good, bad := fmt.Sprintf(line, "scripts/qemu-run.sh --help"), fmt.Sprintf(line, "scripts/qemu-run.sh --cpus 0")
		out, err := typed(t, root, good)
		require.NoError(t, err, "%s", out)
		out, err = typed(t, root, bad)
		require.Error(t, err, "%s", out)
	}
}
