package linux

import (
	"muster/kernel/console"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// output is the writing side of a stream that tasks share. A write is cut into units
// of up to wholeWrite bytes. Each unit is first collected here, in small steps, and then
// put into the stream's ring in one step: no other task's bytes and no log line come
// between. One task at a time has the turn, so units of different tasks do not mix, and
// a write of more than one unit is interrupted by log lines alone; on the screen, by other
// tasks' units too.
type output struct {
	port    *console.Port // nil: the kernel's console
	file    *File         // of the port
	turn    *turn
	serial  bool // without a port: to the serial port
	screen  bool // without a port: to the screen. All outputs to it share a turn (console.Show)
	session bool // of the shell that has a session there
	n       int  // bytes in unit; used by the task that has the turn
	unit    [2 * wholeWrite]byte
}

// wholeWrite is the size of a write that is never split, as for a pipe.
const wholeWrite = pipeBuf

// step is the number of bytes that are collected between two windows for interrupts.
const step = 256

// write writes all of s, and waits for room as needed. A signal ends the wait; the
// result is then the number of bytes that were written before.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (o *output) write(c *percpu.CPU, t *Task, s *source, nonblock bool) (*percpu.CPU, uint64) {
	c, e := o.turn.take(c, t, nonblock)
	if e != 0 {
		return c, errno(e)
	}
	done, n := uint64(0), 0
	for e == 0 {
		if c, n = o.collect(c, t, s); n == 0 {
			e = s.err
			break
		}
		if c, e = o.send(c, t, nonblock); e == 0 {
			done += uint64(n)
		}
		if e != 0 || o.port != nil || s.done() {
			continue
		}
		// The screen, and a serial port that is polled, have room at all times: nothing else
		// would keep a long write from holding up signals, and the session on the screen.
		if t.interrupted() {
			break
		}
		if !o.screen {
			continue
		}
		o.turn.give(c) // no task has missed it: all wait
		if c, e = o.turn.take(c, t, false); e != 0 {
			return c, done
		}
	}
	if o.turn.give(c) { // a task that did not wait has missed the turn of a port
		c = o.file.notify(c, pollOut)
	}
	if done == 0 && e != 0 {
		return c, errno(e)
	}
	return c, done
}

// collect fills the unit from s and returns the number of bytes that it took.
func (o *output) collect(c *percpu.CPU, t *Task, s *source) (_ *percpu.CPU, n int) {
	var buf [step]byte
	o.n = 0
	for n < wholeWrite && !s.done() {
		k := s.fill(c, t, buf[:min(step, wholeWrite-n)])
		o.n += o.put(buf[:k])
		n += k
		if !s.done() {
			c = sched.Breathe(c)
		}
	}
	return c, n
}

// put appends to the unit, and returns the number of bytes.
func (o *output) put(p []byte) int {
	if o.port != nil {
		for i, b := range p { // copy would use vector registers
			o.unit[o.n+i] = b
		}
		return len(p)
	}
	return console.AddReturns(o.unit[o.n:], p)
}

// send puts the unit into the stream's ring, and waits for room.
func (o *output) send(c *percpu.CPU, t *Task, nonblock bool) (*percpu.CPU, Errno) {
	if o.port != nil {
		return o.sendPort(c, t, nonblock)
	}
	if o.serial {
		var e Errno
		if c, e = o.sendSerial(c, t); e != 0 {
			return c, e
		}
	}
	if o.screen {
		for done := console.Show(c, o.unit[:o.n], o.session); done < o.n; {
			c = sched.Breathe(c)
			done += console.Show(c, o.unit[done:o.n], o.session)
		}
	}
	return c, 0
}

// sendSerial is send for the console's serial port.
func (o *output) sendSerial(c *percpu.CPU, t *Task) (*percpu.CPU, Errno) {
	for !console.Write(c, o.unit[:o.n], o.session) {
		switch {
		case console.Pump(c):
			c = sched.Breathe(c)
		case t.interrupted():
			return c, eRestart
		default:
			c = sched.Park(c) // until ConsoleSpace, or a signal
		}
	}
	for console.Pump(c) {
		c = sched.Breathe(c)
	}
	return c, 0
}

// sendPort is send for a port.
func (o *output) sendPort(c *percpu.CPU, t *Task, nonblock bool) (*percpu.CPU, Errno) {
	for {
		_, closed := o.port.Writable(c)
		switch {
		case closed:
			t.raisePipe(c)
			return c, EPIPE
		case o.port.Write(c, o.unit[:o.n]):
			return c, 0
		case nonblock:
			return c, EAGAIN
		case t.interrupted():
			return c, eRestart
		}
		c = sched.Park(c) // until the port has room, or is closed, or a signal
	}
}
