//go:build qemu

package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// program is qemu-run.sh with a program whose standard files are the test's.
type program struct {
	*session // whose output is standard error
	stdout   io.ReadCloser
	signal   func(os.Signal) error
}

// startProgram starts an act of testdata/stdio. The test reads its standard output.
func startProgram(t *testing.T, exe string, act string, options ...string) *program {
	t.Helper()
	args := append([]string{"--mem", "256", "--timeout", "100"}, options...)
	args = append(append(args, "--app", exe), strings.Fields(act)...)
	if !strings.Contains(strings.Join(args, " "), "--boot ") {
		args = append([]string{"--boot", "pvh"}, args...)
	}
	s := &session{t: t, open: 1, cmd: patience.Command(t.Context(), filepath.Join(root, "scripts", "qemu-run.sh"), args...)}
	s.more = sync.NewCond(&s.mu)
	p := &program{session: s}
	var err error
	s.in, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	p.stdout, err = s.cmd.StdoutPipe()
	require.NoError(t, err)
	errs, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	p.signal = s.cmd.Process.Signal
	go s.read(errs)
	t.Cleanup(func() {
		s.in.Close()
		p.stdout.Close()
		if !s.ended() {
			s.cmd.Process.Signal(syscall.SIGTERM)
			s.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("qemu-run.sh %s\n%s", strings.Join(args, " "), s.log())
		}
	})
	return p
}

// rest is what the program writes until its end.
func (p *program) rest() []byte {
	p.t.Helper()
	b, err := io.ReadAll(p.stdout)
	require.NoError(p.t, err)
	return b
}

// programMachines are the ways in which a machine with a program differs.
var programMachines = map[string][]string{
	"pvh, 1 CPU":   {"--cpus", "1"},
	"pvh, 4 CPUs":  {"--cpus", "4"},
	"GRUB, 2 CPUs": {"--boot", "bios", "--cpus", "2"},
	"microvm":      {"--cpus", "2", "--machine", "microvm"},
	"no APIC":      {"--cpus", "1", "--cpu", "max,-apic"},
	"debug":        {"--cpus", "2", "--kernel", root + "/build/kernel-debug.elf"},
}

// What a program writes arrives byte by byte, whatever the bytes are.
func TestProgramBytes(t *testing.T) {
	exe := build(t, "build", "./testdata/stdio")
	for name, options := range programMachines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProgram(t, exe, "bytes 1 100000", options...)
			p.in.Close()
			b := p.rest()
			p.end(0)
			require.Len(t, b, 100000)
			require.Contains(t, p.log(), fmt.Sprintf("stdio: hash %x\n", sha256.Sum256(b)))
			require.Contains(t, p.log(), "app: stdio ended with status 0 after ", "the log is on standard error")
		})
	}
}

// What comes on standard input is read to its end, byte by byte.
func TestProgramCopies(t *testing.T) {
	exe := build(t, "build", "./testdata/stdio")
	for name, size := range map[string]int{"nothing": 0, "a byte": 1, "much": length(100_000, 1<<20)} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, copies(t, exe, "cat", size, "--cpus", "1", "--timeout", "300"), fmt.Sprintf("stdio: copied %d\n", size))
		})
	}
	for name, options := range programMachines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copies(t, exe, "cat", 20_000, options...)
		})
	}
}

// A read that fails, because the program has no memory where it points, takes no byte.
func TestProgramFaults(t *testing.T) {
	exe := build(t, "build", "./testdata/stdio")
	for name, options := range programMachines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, copies(t, exe, "faults", 20_000, options...), "stdio: failed true, copied a part true\n")
		})
	}
}

// copies sends random bytes through an act that copies them, and returns the log.
func copies(t *testing.T, exe, act string, size int, options ...string) string {
	t.Helper()
	sent := make([]byte, size)
	r := rand.New(rand.NewPCG(uint64(size), 0))
	for i := range sent {
		sent[i] = byte(r.Uint32())
	}
	p := startProgram(t, exe, act, options...)
	go func() {
		p.in.Write(sent)
		p.in.Close()
	}()
	got := p.rest()
	p.end(0)
	require.True(t, bytes.Equal(sent, got), "%d bytes sent, %d came back", len(sent), len(got))
	return p.log()
}

// A program reads a part of its input while more may come.
func TestProgramTalks(t *testing.T) {
	p := startProgram(t, build(t, "build", "./testdata/stdio"), "cat")
	for _, text := range []string{"a", "a line\n", "\x03\x04\x00\xff"} { // no byte has a meaning
		p.say(text)
		back := make([]byte, len(text))
		_, err := io.ReadFull(p.stdout, back)
		require.NoError(t, err)
		require.Equal(t, text, string(back))
	}
	p.in.Close()
	require.Empty(t, p.rest())
	p.end(0)
}

// epoll and O_NONBLOCK on standard input and output.
func TestProgramPolls(t *testing.T) {
	exe := build(t, "build", "./testdata/stdio")
	p := startProgram(t, exe, "poll")
	p.expect("stdio: waiting\n").say("abc").expect("stdio: read 3\n").say("d").expect("stdio: read 4\n")
	p.in.Close()
	p.expect("stdio: end\n")
	p.end(0)

	p = startProgram(t, exe, "nonblock 1 100")
	p.expect("stdio: full\n")
	require.Equal(t, 100, whole(string(p.rest()), 4096))
	p.expect("stdio: units 100, waited true\n")
	p.end(0)

	p = startProgram(t, exe, "nonblock 2 20")
	p.expect("stdio: units 20, ")
	p.end(0)
	require.Equal(t, 20, whole(p.log(), 4096))
}

// A reader that is slow, or begins late, gets everything, and the kernel goes on.
func TestProgramSlowReader(t *testing.T) {
	t.Parallel()
	p := startProgram(t, build(t, "build", "./testdata/stdio"), "bytes 2 400000")
	p.in.Close()
	select { // longer than any pipe and ring would take the bytes
	case <-time.After(patience.For(3 * time.Second)):
	case <-t.Context().Done():
	}
	var got bytes.Buffer
	one := make([]byte, 1)
	for got.Len() < 1000 {
		n, err := p.stdout.Read(one)
		require.NoError(t, err)
		got.Write(one[:n])
	}
	got.Write(p.rest())
	p.end(0)
	require.Contains(t, p.log(), fmt.Sprintf("stdio: hash %x\n", sha256.Sum256(got.Bytes())))
}

// Without a reader a program gets SIGPIPE, as on Linux.
func TestProgramWithoutReader(t *testing.T) {
	p := startProgram(t, build(t, "build", "./testdata/stdio"), "forever")
	line := make([]byte, 5)
	_, err := io.ReadFull(p.stdout, line)
	require.NoError(t, err)
	require.Equal(t, "line\n", string(line))
	p.stdout.Close()
	p.end(128 + int(syscall.SIGPIPE))
	require.Regexp(t, `\(stdio\), thread \d+: broken pipe, sent by process \d+, ip 0x[0-9a-f]+, ended`, p.log())
}

// A program that ends while its threads wait for a reader leaves the console usable.
func TestProgramEndsWhileItWaits(t *testing.T) {
	p := startProgram(t, build(t, "build", "./testdata/stdio"), "stuck 3", "--kernel", root+"/build/kernel-debug.elf")
	p.expect("stdio: ending\n")
	require.NotEmpty(t, p.rest())
	p.end(3)
	require.Contains(t, p.log(), "app: stdio ended with status 3 after ")
}

// The status of the script is the program's.
func TestProgramStatus(t *testing.T) {
	exe := build(t, "build", "./testdata/stdio")
	for act, status := range map[string]int{"exit 0": 0, "exit 1": 1, "exit 77": 77, "kill": 137} {
		p := startProgram(t, exe, act)
		p.end(status)
	}
}

// SIGINT of the script is the program's; the second ends the machine. SIGQUIT makes a Go
// program print its goroutines.
func TestProgramInterrupted(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/stdio")
	p := startProgram(t, exe, "signal")
	p.expect("stdio: waiting\n")
	require.NoError(t, p.signal(os.Interrupt))
	p.expect("stdio: interrupted\n")
	p.end(5)

	p = startProgram(t, exe, "wait")
	p.expect("stdio: waiting\n")
	require.NoError(t, p.signal(os.Interrupt))
	p.end(130)
	require.Contains(t, p.log(), "app: stdio ended with status 130 after ", "the program ended, and then the machine")

	p = startProgram(t, exe, "deaf")
	p.expect("stdio: waiting\n")
	require.NoError(t, p.signal(os.Interrupt))
	p.expect("stdio: heard it\n")
	require.NoError(t, p.signal(os.Interrupt))
	p.end(130)
	require.NotContains(t, p.log(), "ended with status")

	p = startProgram(t, exe, "wait")
	p.expect("stdio: waiting\n")
	require.NoError(t, p.signal(syscall.SIGQUIT))
	p.expect("SIGQUIT: quit").expect("goroutine ")
	p.end(2)

	p = startProgram(t, exe, "signal", "--append", "copies=2") // every copy gets it
	p.expect("stdio: waiting\n").expect("stdio: waiting\n")
	require.NoError(t, p.signal(os.Interrupt))
	p.end(5)
	require.Contains(t, p.log(), "statuses [5 5]")

	p = startProgram(t, exe, "wait", "--timeout", "2")
	p.end(124)
}

// Before the program runs, SIGINT ends the machine.
func TestProgramInterruptedEarly(t *testing.T) {
	p := startProgram(t, build(t, "build", "./testdata/stdio"), "wait", "--append", "fault=ap1:silent") // which is waited for
	p.expect("smp: CPU with APIC ID 0")
	require.NoError(t, p.signal(os.Interrupt))
	p.end(130)
	require.NotContains(t, p.log(), "app: process ")
}

// With --log the kernel's log has a file, and standard error is the program's, exactly.
func TestProgramLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	var sent bytes.Buffer
	p := startProgram(t, build(t, "build", "./testdata/stdio"), "lines 2 4 20 900", "--log", file)
	p.stdout = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(p.stdout, &sent), p.stdout}
	require.Empty(t, p.rest())
	p.end(0)
	require.Equal(t, 80, whole(p.log(), 900))
	require.Equal(t, 80*900, len(p.log()), "nothing else")
	log, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(log), "app: stdio ended with status 0 after ")
	require.NotContains(t, string(log), "\r")
}

// At a terminal, control-C is SIGINT to the program, typed lines are its input, and
// control-D ends them.
func TestProgramAtTerminal(t *testing.T) {
	exe := build(t, "build", "./testdata/stdio")
	x := atTerminal(t, "--app", exe, "signal").shows("stdio: waiting")
	x.say("\x03").shows("stdio: interrupted").ends(5)

	x = atTerminal(t, "--app", exe, "cat").shows("app: process ")
	x.say("a typed line\r").shows("a typed line\r\na typed line\r\n") // the echo, and what came back
	x.say("\x04").shows("stdio: copied 13").ends(0)
}
