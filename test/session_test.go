//go:build qemu

package test

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// session is a machine that is talked to.
type session struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	mu   sync.Mutex
	more *sync.Cond
	out  strings.Builder // serial output, without carriage returns
	errs strings.Builder
	seen int // how far expect has read
	done bool
}

// answer is how long expect waits.
func answer() time.Duration { return patience.For(60 * time.Second) }

// start boots a machine and leaves it running.
func start(t *testing.T, args ...string) *session {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--boot ") {
		args = append([]string{"--boot", "pvh"}, args...)
	}
	s := &session{t: t, cmd: patience.Command(context.Background(), filepath.Join(root, "scripts", "qemu-run.sh"), append([]string{"--timeout", "300"}, args...)...)}
	s.more = sync.NewCond(&s.mu)
	var err error
	s.in, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.cmd.Stderr = &s.errs
	require.NoError(t, s.cmd.Start())
	go s.read(out)
	t.Cleanup(func() {
		s.in.Close()
		if !s.ended() {
			s.cmd.Process.Signal(interrupt) // its trap ends QEMU
			s.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("qemu-run.sh %s\n%s\nserial log:\n%s", strings.Join(args, " "), s.errs.String(), s.log())
		}
	})
	return s
}

func (s *session) read(out io.Reader) {
	p := make([]byte, 4096)
	for {
		n, err := out.Read(p)
		s.mu.Lock()
		s.out.WriteString(strings.ReplaceAll(string(p[:n]), "\r", ""))
		s.done = err != nil
		s.more.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *session) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func (s *session) ended() bool { return s.cmd.ProcessState != nil }

// expect waits until the machine has printed a text after what was expected before.
func (s *session) expect(text string) *session {
	s.t.Helper()
	limit := answer()
	late := time.AfterFunc(limit, func() { s.mu.Lock(); s.more.Broadcast(); s.mu.Unlock() })
	defer late.Stop()
	if !s.await(text, time.Now().Add(limit)) {
		require.Fail(s.t, "the machine did not print it", "%q", text)
	}
	return s
}

func (s *session) await(text string, end time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if i := strings.Index(s.out.String()[s.seen:], text); i >= 0 {
			s.seen += i + len(text)
			return true
		}
		if s.done || time.Now().After(end) {
			return false
		}
		s.more.Wait()
	}
}

// say types.
func (s *session) say(keys string) *session {
	s.t.Helper()
	_, err := io.WriteString(s.in, keys)
	require.NoError(s.t, err)
	return s
}

// end waits until the machine has ended, and checks the status.
func (s *session) end(status int) {
	s.t.Helper()
	s.mu.Lock()
	for !s.done {
		s.more.Wait()
	}
	s.mu.Unlock()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		require.Equal(s.t, status, exit.ExitCode())
		return
	}
	require.NoError(s.t, err)
	require.Zero(s.t, status)
}
