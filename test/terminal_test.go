//go:build qemu

package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"muster/tools/patience"
)

// terminal is qemu-run.sh at a terminal of its own.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys *os.File
	mu   sync.Mutex
	out  bytes.Buffer
	done chan struct{} // closed when the script has ended
}

// atTerminal starts qemu-run.sh with a new pseudo-terminal, as a person would.
func atTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	x := &terminal{t: t, keys: master, done: make(chan struct{})}
	x.cmd = patience.Command(context.Background(), filepath.Join(root, "scripts", "qemu-run.sh"), append([]string{"--boot", "pvh", "--accel", "tcg", "--timeout", "300"}, args...)...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, x.cmd.Start())
	slave.Close()
	go x.read()
	go func() { x.cmd.Wait(); close(x.done) }()
	t.Cleanup(func() {
		x.cmd.Process.Signal(syscall.SIGTERM)
		<-x.done
		master.Close()
		if t.Failed() {
			t.Log(x.screen())
		}
	})
	return x
}

func (x *terminal) read() {
	p := make([]byte, 4096)
	for {
		n, err := x.keys.Read(p)
		x.mu.Lock()
		x.out.Write(p[:n])
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (x *terminal) screen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

func (x *terminal) shows(text string) *terminal {
	x.t.Helper()
	require.Eventually(x.t, func() bool { return bytes.Contains([]byte(x.screen()), []byte(text)) }, answer(), 10*time.Millisecond, "%q", text)
	return x
}

func (x *terminal) say(keys string) *terminal {
	x.t.Helper()
	_, err := x.keys.WriteString(keys)
	require.NoError(x.t, err)
	return x
}

func (x *terminal) ends(status int) {
	x.t.Helper()
	select {
	case <-x.done:
	case <-time.After(answer()):
		require.Fail(x.t, "the script runs on")
	}
	require.Equal(x.t, status, x.cmd.ProcessState.ExitCode())
}

// Control-C ends a run in which no program of the guest reads it.
func TestControlCEndsRun(t *testing.T) {
	atTerminal(t, "--run", "test stress 200").shows("muster> test stress").say("\x03").ends(130)
}

// In a session control-C goes to the guest: it drops a line and ends a command.
func TestControlCInSession(t *testing.T) {
	x := atTerminal(t).shows("muster> ")
	x.say("half a line\x03uptime\r").shows("up ")
	x.say("test; nosuch\r").shows("ok   basics") // the first of many tests: the command runs
	x.say("\x03").shows("test: interrupted").shows("interrupted, not run: nosuch")
	x.say("poweroff\r").ends(0)
}
