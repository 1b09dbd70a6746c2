package linux

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// The files of serial ports for programs: descriptor 0 reads the port console.Stdio, and
// descriptor 1 writes to it. Descriptor 2 writes to console.Control, or to the console
// like the kernel's log. All programs have the same files, as the programs of a Unix shell
// have its terminal.
var (
	stdin, stdout, stderr File
	stdinTurn             turn
	stdoutTurn            turn
	stderrTurn            turn
	stdoutPort            = output{port: &console.Stdio, file: &stdout, turn: &stdoutTurn}
	stderrPort            = output{port: &console.Control, file: &stderr, turn: &stderrTurn}
	portsUsed             bool // programs have these files
	stderrUsed            bool // descriptor 2 is stderr, not the console
)

func initPorts() {
	stdin.init(kindInput)
	stdout.init(kindOutput)
	stderr.init(kindOutput)
	stdout.out, stderr.out = &stdoutPort, &stderrPort
	stdinTurn.init()
	stdoutPort.turn.init()
	stderrPort.turn.init()
}

// portsReady is sent on console.Control when the kernel reads both ports.
const portsReady = "ready\n"

// UsePorts gives the ports to the programs that are made from now on. ownErrors says that
// descriptor 2 has a port too, if there are two.
//
// Context: a private call, after the ports' interrupts were bound.
func UsePorts(c *percpu.CPU, _ *Task, ownErrors bool) (*percpu.CPU, uint64) {
	portsUsed, stderrUsed = true, ownErrors && console.Control.IsOpen()
	if console.Control.IsOpen() {
		var buf [len(portsReady)]byte
		copy(buf[:], portsReady)
		console.Control.Write(c, buf[:])
	}
	return c, 0
}

// portFile returns the file of a standard descriptor of a new program, nil for the
// console.
func portFile(fd int) *File {
	switch {
	case !portsUsed:
		return nil
	case fd == 0:
		return &stdin
	case fd == 1:
		return &stdout
	case stderrUsed:
		return &stderr
	}
	return nil
}

// readInput takes the bytes that there are; it waits while there are none, until the end
// of the input. A byte that could not be copied to the program stays for the next read.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) readInput(c *percpu.CPU, t *Task, to *sink) (*percpu.CPU, uint64) {
	if to.left == 0 {
		return c, 0
	}
	nonblock := f.flags.Load()&oNonblock != 0
	c, e := stdinTurn.take(c, t, nonblock)
	if e != 0 {
		return c, errno(e)
	}
	room := to.left
	for c, e = awaitInput(c, t, nonblock); e == 0 && to.left > 0; c = sched.Breathe(c) {
		k := 0
		if c, k, e = copyInput(c, t, to); k == 0 {
			break
		}
	}
	done := room - to.left
	if stdinTurn.give(c) {
		c = f.notify(c, pollIn)
	}
	if done == 0 && e != 0 {
		return c, errno(e)
	}
	return c, done
}

// copyInput moves up to a step of the bytes that there are to the program, and returns
// their number. It drops from the port what was copied.
//
// Context: the current task has stdinTurn, so no other task gets the same bytes. No lock
// held. Returns the CPU on which the task goes on.
func copyInput(c *percpu.CPU, t *Task, to *sink) (_ *percpu.CPU, n int, e Errno) {
	var buf [step]byte
	k := console.Stdio.Peek(c, buf[:min(to.left, step)])
	room := to.left
	c, ok := to.put(c, t, unsafe.Pointer(&buf), uint64(k))
	if !ok {
		e = EFAULT
	}
	n = int(room - to.left)
	console.Stdio.Drop(c, n)
	return c, n, e
}

// awaitInput waits until there are bytes to read, or none come any more.
func awaitInput(c *percpu.CPU, t *Task, nonblock bool) (*percpu.CPU, Errno) {
	for {
		bytes, end := console.Stdio.Readable(c)
		switch {
		case bytes || end:
			return c, 0
		case nonblock:
			return c, EAGAIN
		case t.interrupted():
			return c, eRestart
		}
		c = sched.Park(c) // until input comes, or its end, or a signal
	}
}

// inputReady and ready return the epoll events of a port's file.
func inputReady(c *percpu.CPU) (events uint32) {
	bytes, end := console.Stdio.Readable(c)
	if bytes {
		events |= pollIn
	}
	if end {
		events |= epollHup
	}
	return events
}

func (o *output) ready(c *percpu.CPU) (events uint32) {
	room, closed := o.port.Writable(c)
	if room || closed {
		events |= pollOut
	}
	if closed {
		events |= epollErr
	}
	return events
}

// notify reports to the epolls that watch f what may have become true.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) notify(c *percpu.CPU, key uint32) *percpu.CPU {
	var ch change
	f.mu.Lock(c)
	ch.begin(c, f, key)
	f.mu.Unlock(c)
	return ch.end(c)
}

// watched reports whether an epoll watches f.
func (f *File) watched(c *percpu.CPU) bool {
	f.mu.Lock(c)
	yes := f.watches.Root != nil
	f.mu.Unlock(c)
	return yes
}

// StdioInterrupt serves the port of descriptors 0 and 1. The task that reads or writes is
// woken here. A program decides how many epolls watch the files, so a goroutine has them
// notified: event counts, and the goroutine calls PortsChanged.
//
// Context: interrupt handler.
func StdioInterrupt(c *percpu.CPU, event *File) (cause bool) {
	input, space, cause := console.Stdio.Interrupt(c)
	if input {
		stdinTurn.wake(c)
	}
	if space {
		stdoutPort.turn.wake(c)
	}
	if input && stdin.watched(c) || space && stdout.watched(c) {
		event.Signal(c)
	}
	return cause
}

// ControlInterrupt serves the other port. event counts when a word has come, and when
// PortsChanged has work.
//
// Context: interrupt handler.
func ControlInterrupt(c *percpu.CPU, event *File) (cause bool) {
	input, space, cause := console.Control.Interrupt(c)
	if space {
		stderrPort.turn.wake(c)
	}
	if input || space && stderr.watched(c) {
		event.Signal(c)
	}
	return cause
}

// PortsChanged notifies the epolls that watch the files of ports.
func PortsChanged(c *percpu.CPU, _ *Task) (*percpu.CPU, uint64) {
	c = stdin.notify(c, pollIn|epollHup)
	c = stdout.notify(c, pollOut|epollErr)
	c = stderr.notify(c, pollOut|epollErr)
	return c, 0
}

// EndInput says how many bytes the input of programs has in all.
func EndInput(c *percpu.CPU, t *Task, bytes uint64) (*percpu.CPU, uint64) {
	console.Stdio.End(c, bytes)
	stdinTurn.wake(c)
	return PortsChanged(c, t)
}

// CloseOutput says that nothing reads what programs write to descriptor 1: writes fail,
// and send SIGPIPE, as those to a pipe without a reader.
func CloseOutput(c *percpu.CPU, t *Task) (*percpu.CPU, uint64) {
	console.Stdio.Close(c)
	stdoutPort.turn.wake(c)
	return PortsChanged(c, t)
}

// Unsent returns the number of bytes of programs that have not left the machine.
func Unsent(c *percpu.CPU, _ *Task) (*percpu.CPU, uint64) {
	n := 0
	for _, p := range [...]*console.Port{&console.Stdio, &console.Control} {
		if p.IsOpen() {
			n += p.Unsent(c)
		}
	}
	return c, uint64(n)
}
