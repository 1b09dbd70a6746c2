//go:build qemu

package test

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
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
	out  strings.Builder // serial output and with --app the program's, without carriage returns
	errs strings.Builder
	seen int // how far expect has read
	open int // streams that have not ended
	slow int // how many times longer than usual the machine may take; 0 is 1
}

// answer is how long expect waits.
func answer() time.Duration { return patience.For(60 * time.Second) }

// answer is how long this machine may take.
func (s *session) answer() time.Duration { return time.Duration(max(s.slow, 1)) * answer() }

// start boots a machine and leaves it running.
func start(t *testing.T, args ...string) *session {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--boot ") {
		args = append([]string{"--boot", "pvh"}, args...)
	}
	s := &session{t: t, open: 2, cmd: machine(context.Background(), append([]string{"--timeout", "300"}, args...)...)}
	s.more = sync.NewCond(&s.mu)
	var err error
	s.in, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	log := io.Reader(strings.NewReader(""))
	if slices.Contains(args, "--app") { // standard output is the program's alone
		log, err = s.cmd.StderrPipe()
		require.NoError(t, err)
	} else {
		s.cmd.Stderr = &s.errs
	}
	require.NoError(t, s.cmd.Start())
	go s.read(out)
	go s.read(log)
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
		if err != nil {
			s.open--
		}
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
	if !s.within(s.answer(), text) {
		require.Fail(s.t, "the machine did not print it", "%q", text)
	}
	return s
}

// within reports whether the machine prints a text in a time.
func (s *session) within(limit time.Duration, text string) bool {
	late := time.AfterFunc(limit, func() { s.mu.Lock(); s.more.Broadcast(); s.mu.Unlock() })
	defer late.Stop()
	return s.await(text, time.Now().Add(limit))
}

func (s *session) await(text string, end time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if i := strings.Index(s.out.String()[s.seen:], text); i >= 0 {
			s.seen += i + len(text)
			return true
		}
		if s.open == 0 || time.Now().After(end) {
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
	for s.open > 0 {
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
