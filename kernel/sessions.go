package main

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"muster/kernel/abi"
	"muster/kernel/input"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/shell"
)

// serve runs the shell: one session on the screen, which reads the keyboards, and one on the serial
// port. Where only one of the two can show anything, its session reads all that is typed. first is
// the status screen before the first prompt, nil for none; with two sessions it is on the screen.
// It does not return.
func serve(s system, sh *shell.Shell, keys, port io.Reader, first *shell.Status, greeting string) {
	screen, serial := openTerminal(abi.TerminalScreen), openTerminal(abi.TerminalSerial)
	switch {
	case screen != nil && serial != nil:
		go s.session(sh, abi.TerminalScreen, screen, input.Merge(keys), first, greeting)
		s.session(sh, abi.TerminalSerial, serial, input.Merge(port), nil, greeting)
	case screen != nil:
		s.session(sh, abi.TerminalScreen, screen, input.Merge(port, keys), first, greeting)
	case serial != nil:
		s.session(sh, abi.TerminalSerial, serial, input.Merge(port, keys), first, greeting)
	default:
		s.session(sh, 0, os.Stdout, input.Merge(port, keys), first, greeting)
	}
}

// session serves one session. Programs that it starts have its terminal.
func (s system) session(sh *shell.Shell, terminal int, out io.Writer, in io.Reader, first *shell.Status, greeting string) {
	s.terminal = terminal
	own := sh.Beside(&s, out)
	if first != nil {
		first.Greeting = greeting
		own.ServeStatus(context.Background(), in, *first) // does not return either
	}
	io.WriteString(out, greeting)
	own.Serve(context.Background(), in)
}

// openTerminal opens a terminal, nil if it is not there.
func openTerminal(n int) io.Writer {
	fd, err := kcall.OpenTerminal(n)
	switch {
	case errors.Is(err, syscall.ENODEV):
		return nil
	case err != nil:
		klog.Errorf("shell: terminal %d: %v", n, err)
		return nil
	}
	return os.NewFile(uintptr(fd), "terminal")
}
