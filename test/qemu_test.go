//go:build qemu

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// root is the top of the source tree.
const root = ".."

// result is what a machine left behind.
type result struct {
	t      *testing.T
	log    string // serial output without carriage returns; after it, what a program wrote to descriptor 1
	out    string // standard output, byte by byte: with --app, the program's descriptor 1
	stderr string
	status int
	took   time.Duration
}

// limit is beyond what any single machine of these tests needs; qemu-run.sh has
// its own, shorter one.
func limit() time.Duration { return patience.For(25 * time.Minute) }

// boot runs qemu-run.sh with args, by PVH unless they say otherwise, and returns
// when the machine has ended. If the test fails, the whole serial log is printed.
func boot(t *testing.T, args ...string) *result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit())
	defer cancel()
	if !strings.Contains(strings.Join(args, " "), "--boot ") {
		args = append([]string{"--boot", "pvh"}, args...)
	}
	cmd := machine(ctx, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(interrupt) } // its trap ends QEMU
	cmd.WaitDelay = patience.For(10 * time.Second)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	r := &result{t: t, out: out.String(), stderr: errs.String(), took: time.Since(began)}
	r.log = strings.ReplaceAll(r.out, "\r", "")
	if slices.Contains(args, "--app") { // then the console is on standard error
		r.log = r.stderr + "\n" + r.log
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.status = exit.ExitCode()
	} else if err != nil {
		r.status = -1
		r.stderr += err.Error()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("qemu-run.sh %s\nstatus %d after %v\n%s\nserial log:\n%s", strings.Join(args, " "), r.status, r.took, r.stderr, r.log)
		}
	})
	return r
}

// variable is a word that machine gives to the script's environment.
var variable = regexp.MustCompile(`^(GRUB|MUSTER)_[A-Z]+=`)

// machine is scripts/qemu-run.sh with args. Words like GRUB_MODE=text are variables of the script.
func machine(ctx context.Context, args ...string) *exec.Cmd {
	words := slices.DeleteFunc(slices.Clone(args), variable.MatchString)
	cmd := patience.Command(ctx, filepath.Join(root, "scripts", "qemu-run.sh"), words...)
	for _, a := range args {
		if variable.MatchString(a) {
			cmd.Env = append(cmd.Environ(), a)
		}
	}
	return cmd
}

// ok requires that the machine ended well.
func (r *result) ok() *result {
	r.t.Helper()
	require.Equal(r.t, 0, r.status)
	return r
}

// has requires that the log contains each text.
func (r *result) has(texts ...string) *result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.log, text) {
			require.Fail(r.t, "not in the serial log", "%q", text)
		}
	}
	return r
}

// matches requires that the log matches each expression.
func (r *result) matches(expressions ...string) *result {
	r.t.Helper()
	for _, e := range expressions {
		require.Regexp(r.t, e, r.log)
	}
	return r
}

// lacks requires that the log contains none of the texts.
func (r *result) lacks(texts ...string) *result {
	r.t.Helper()
	for _, text := range texts {
		require.NotContains(r.t, r.log, text)
	}
	return r
}

// output returns what a command printed under run=.
func (r *result) output(command string) string {
	r.t.Helper()
	_, after, ok := strings.Cut(r.log, "muster> "+command+"\n")
	require.True(r.t, ok, "command %q was not run", command)
	before, _, _ := strings.Cut(after, "\nmuster> ")
	before, _, _ = strings.Cut(before, "\nmuster: ") // what the kernel says at its end
	return strings.TrimSuffix(before, "\n") + "\n"
}

// decode reads the one line of JSON that a command printed. Unknown fields are
// an error: the listing's type and the test's go together.
func decode[T any](r *result, command string) (v T) {
	r.t.Helper()
	out := strings.TrimSpace(r.output(command))
	require.NotContains(r.t, out, "\n", "one document on one line")
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	require.NoError(r.t, d.Decode(&v), out)
	return v
}

// build compiles a static program for ring 3 from a folder or package.
func build(t *testing.T, args ...string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), path.Base(args[len(args)-1]))
	cmd := exec.Command("go", append([]string{args[0], "-o", exe}, args[1:]...)...)
	if args[0] == "test" {
		cmd.Args = append([]string{"go", "test", "-c", "-o", exe}, args[1:]...)
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return exe
}

// quoted is a line of testdata/args.
func quoted(kind string, i int, text string) string { return fmt.Sprintf("%s %d %q\n", kind, i, text) }
