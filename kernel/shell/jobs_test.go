package shell

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeProgram ends when a test says so, or by a signal. A program with the name "deaf"
// ignores signals.
type fakeProgram struct {
	number int
	args   []string
	end    chan int
	got    []syscall.Signal
	gone   bool
}

func (p *fakeProgram) Number() int { return p.number }
func (p *fakeProgram) Wait() int   { return <-p.end }
func (p *fakeProgram) Signal(signal syscall.Signal) error {
	if p.gone {
		return syscall.ESRCH
	}
	p.got = append(p.got, signal)
	if p.args[0] != "deaf" {
		p.end <- 128 + int(signal)
	}
	return nil
}

// session runs lines in one shell, and returns what each prints.
type session struct {
	t   *testing.T
	sys *fake
	sh  *Shell
	out bytes.Buffer
}

func newSession(t *testing.T) *session {
	s := &session{t: t, sys: &fake{programs: []string{"short", "long", "deaf", "broken"}}}
	s.sh = New(s.sys, &s.out)
	return s
}

func (s *session) run(line, want string) {
	s.t.Helper()
	s.out.Reset()
	s.sh.Run(context.Background(), line)
	require.Equal(s.t, want, s.out.String(), line)
}

func TestRunProgram(t *testing.T) {
	s := newSession(t)
	s.run("run short", "")
	s.run("run short a b", "run: short: status 2\n")
	require.Equal(t, []string{"short", "a", "b"}, s.sys.started[1].args)
	s.run("run short -json -h &x", "run: short: status 3\n") // the words are the program's
	require.Equal(t, []string{"short", "-json", "-h", "&x"}, s.sys.started[2].args)
	s.run("run", "run: usage: run NAME [ARGUMENTS] [&]\n")
	s.run("run &", "run: usage: run NAME [ARGUMENTS] [&]\n")
	s.run("run shrot", "run: no program \"shrot\", nearest is \"short\"; there are short, long, deaf, broken\n")
	s.run("run broken", "run: broken not started: not a program\n")
	s.run("jobs", "  JOB  PROCESS  STATE  STATUS  PROGRAM\n")
	s.sys.programs = nil
	s.run("run short", "run: no program \"short\"; the image and the stick have none\n")
}

func TestJobs(t *testing.T) {
	s := newSession(t)
	s.run("run long x &; run deaf &; run long &", "[1] process 10\n[2] process 11\n[3] process 12\n")
	s.run("jobs -json", `[{"job":1,"process":10,"state":"running","status":0,"args":["long","x"]},`+
		`{"job":2,"process":11,"state":"running","status":0,"args":["deaf"]},{"job":3,"process":12,"state":"running","status":0,"args":["long"]}]`+"\n")
	s.run("kill long", "kill: long is the name of several jobs: give a number; jobs lists them\n")
	s.run("kill 4", "kill: no job \"4\"; there are 1 long, 2 deaf, 3 long\n")
	s.run("kill 1 SIGNONE", "kill: \"SIGNONE\" is not a signal: a number from 1 to 64, or a name such as TERM, INT, KILL\n")
	s.run("kill 1; wait 1", "")
	s.run("kill deaf sigint; kill 2 9", "")
	require.Equal(t, []syscall.Signal{syscall.SIGINT, syscall.SIGKILL}, s.sys.started[1].got)
	s.run("jobs", "  JOB  PROCESS    STATE  STATUS  PROGRAM\n    1       10    ended     143   long x\n    2       11  running             deaf\n    3       12  running             long\n")
	s.run("jobs", "  JOB  PROCESS    STATE  STATUS  PROGRAM\n    2       11  running             deaf\n    3       12  running             long\n")
	s.run("run long y &", "[1] process 13\n") // the number is free again
	s.sys.started[1].gone = true
	s.run("kill 2", "kill: job 2, deaf, has ended\n")
	s.sys.started[1].end <- 0
	s.run("kill 1; kill 3; wait; jobs", "  JOB  PROCESS  STATE  STATUS  PROGRAM\n    1       13  ended     143   long y\n    2       11  ended       0     deaf\n    3       12  ended     143     long\n")
	s.run("kill 1", "kill: no job \"1\"; there are none\n")
}

// Control-C ends the program in the foreground, and no other one; a wait ends by it, and
// not what it waits for.
func TestControlCOfPrograms(t *testing.T) {
	s := newSession(t)
	s.run("run deaf &", "[1] process 10\n")
	interrupted := func(line, want string) {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.out.Reset()
		err := s.sh.Run(ctx, line)
		require.Error(t, err)
		require.Equal(t, want, s.out.String())
	}
	interrupted("run long", "run: long: status 130\n")
	interrupted("wait", "wait: interrupted\n")
	require.Equal(t, []syscall.Signal{syscall.SIGINT}, s.sys.started[1].got)
	require.Empty(t, s.sys.started[0].got)
}

func TestRunCompletes(t *testing.T) {
	s := newSession(t)
	all, _ := s.sh.Complete("run sh")
	require.Equal(t, "short", strings.Join(all, " "))
}
