package linux

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/console"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// The console as a file: descriptors 0, 1 and 2 of the kernel's own process, and those of
// a program that have no port (stdio.go). The kernel's own
// process and the programs have a file each, so that a program's O_NONBLOCK does not
// reach the shell.
var (
	consoleFile File
	programFile File
	screenTurn  turn // of all outputs to the screen
	consoleOut  = output{turn: &screenTurn, serial: true, screen: true}
)

// terminal is half of the console: the serial port or the screen. A shell's session has one of
// the two, with the programs that it starts. On the serial port each of them has a turn of its own,
// so that a program that prints much does not keep the shell from printing.
type terminal struct {
	session, program         File
	sessionOut, programOut   output
	sessionTurn, programTurn turn
}

// The terminals by number.
var terminals = [...]terminal{
	abi.TerminalSerial: {sessionOut: output{serial: true, session: true}, programOut: output{serial: true}},
	abi.TerminalScreen: {sessionOut: output{screen: true, session: true}, programOut: output{screen: true}},
}

func initConsole() {
	consoleFile.init(kindConsole)
	programFile.init(kindConsole)
	screenTurn.init()
	consoleFile.out, programFile.out = &consoleOut, &consoleOut
	for i := range terminals {
		t := &terminals[i]
		t.session.init(kindConsole)
		t.program.init(kindConsole)
		t.session.out, t.program.out = &t.sessionOut, &t.programOut
		t.sessionTurn.init()
		t.programTurn.init()
		t.sessionOut.turn, t.programOut.turn = &t.sessionTurn, &t.programTurn
		if t.sessionOut.screen {
			t.sessionOut.turn, t.programOut.turn = &screenTurn, &screenTurn
		}
	}
	initPorts()
}

// OpenTerminal opens a descriptor of a terminal for a shell's session. ENODEV: it is not there;
// EINVAL: there is no such number.
func OpenTerminal(c *percpu.CPU, t *Task, n int) (*percpu.CPU, uint64) {
	switch {
	case n != abi.TerminalSerial && n != abi.TerminalScreen:
		return c, errno(EINVAL)
	case n == abi.TerminalSerial && !console.HasSerial(c), n == abi.TerminalScreen && !console.HasScreen():
		return c, errno(ENODEV)
	}
	f := &terminals[n].session
	f.refs.Get(c)
	return t.open(c, f, true)
}

// standard returns the file of descriptor 0, 1 or 2 of the kernel's own process, or of a program
// with a terminal, which may be 0. A program's file begins without O_NONBLOCK if no other program
// has it.
func standard(fd int, user bool, terminal int) *File {
	if !user {
		return &consoleFile
	}
	f := portFile(fd)
	switch {
	case f != nil:
	case terminal != 0:
		f = &terminals[terminal].program
	default:
		f = &programFile
	}
	if f.refs.Only() {
		f.flags.Store(0)
	}
	return f
}

// writeStream writes the bytes of s to the console or a port. A write to the console
// waits in any case: ready reports room in it at all times, so no event would follow EAGAIN.
func (f *File) writeStream(c *percpu.CPU, t *Task, s *source) (*percpu.CPU, uint64) {
	return f.out.write(c, t, s, f.kind == kindOutput && f.flags.Load()&oNonblock != 0)
}

// drawEvent is the eventfd that counts when the screen has something to draw, 0 before
// UseDrawer.
var drawEvent atom.Uintptr

// UseDrawer takes the eventfd of the goroutine that draws. ENODEV says that there is no
// screen, EBADF that fd is no eventfd.
func UseDrawer(c *percpu.CPU, t *Task, fd int) (*percpu.CPU, uint64) {
	if !console.HasScreen() {
		return c, errno(ENODEV)
	}
	c, f := EventOf(c, t, uint64(fd))
	if f == nil {
		return c, errno(EBADF)
	}
	drawEvent.Store(uintptr(unsafe.Pointer(f))) // which keeps the reference
	console.UseDrawer(c)
	return c, 0
}

// Redraw wakes the goroutine that draws. See upcall.Table.
func Redraw(c *percpu.CPU) {
	if f := drawEvent.Load(); f != 0 {
		(*File)(unsafe.Pointer(f)).Signal(c)
	}
}

// drawSteps is how many steps one call of DrawScreen does.
const drawSteps = 16

// DrawScreen draws a part of what is to be drawn on the screen. The result is 1 if there may
// be more.
func DrawScreen(c *percpu.CPU, _ *Task) (*percpu.CPU, uint64) {
	for range drawSteps {
		if !console.Draw(c) {
			return c, 0
		}
		c = sched.Breathe(c)
	}
	return c, 1
}

// ConsoleSpace is called when the console's ring has room again.
//
// Context: interrupt handler.
func ConsoleSpace(c *percpu.CPU) {
	screenTurn.wake(c)
	terminals[abi.TerminalSerial].sessionTurn.wake(c)
	terminals[abi.TerminalSerial].programTurn.wake(c)
}
