package console

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/screen"
)

// The screen shows what the serial port sends: what threads write, and the lines of the log.
// A thread's bytes come in units (Show). The screen reads lines from the log itself, between
// two units, so it needs no ring of its own. A thread of the kernel draws (Draw); until it
// runs, the code that logs a line draws it.
var (
	display  screen.Screen
	showing  bool        // there is a screen
	seen     uint64      // position of the first record of the log that is not on the screen
	inUnit   bool        // a thread is in the middle of its unit
	drawing  phase       // which code draws
	inUse    atom.Uint32 // 1: a step works on display, with mu
	painting atom.Uint32 // 1: Draw paints, without mu
	damage   atom.Uint32 // 1: the drawing thread has something to do
	run      screen.Run  // what Draw paints; of the drawing thread alone
)

// phase says which code draws.
type phase uint8

const (
	drawAtOnce phase = iota // each line at once, to its end: nothing else runs yet
	drawSome                // some steps with each line
	drawThread              // the thread that calls Draw
)

// mute says that nothing is sent to the serial port.
var mute bool

// Mute turns the output to the serial port off, or on again.
//
// Context: boot CPU, before the runtime starts.
func Mute(off bool) { mute = off }

// UseScreen shows the text on a screen from now on, from the first line of the log that is
// kept. memory has screen.CellBytes for each character of the mode.
//
// Context: boot CPU, before the runtime starts.
func UseScreen(c *percpu.CPU, m screen.Mode, memory uintptr) {
	mu.Lock(c)
	display.Init(m, memory)
	showing, seen = true, 0
	showLog(c, drawAtOnce)
	mu.Unlock(c)
}

// DetachScreen ends the use of the screen until the next UseScreen: its memory cannot be
// reached.
//
// Context: boot CPU, before the runtime starts.
func DetachScreen() { showing = false }

// HasScreen reports whether there is a screen.
func HasScreen() bool { return showing }

// HasSerial reports whether output goes to a serial port.
func HasSerial(c *percpu.CPU) bool {
	_, ok, _ := Ports(c)
	return ok && !(mute && showing)
}

// DrawInSteps ends the drawing without limit: interrupts are on from now on.
func DrawInSteps() { drawing = drawSome }

// UseDrawer says that a thread calls Draw from now on, each time TakeDamage has reported
// true.
func UseDrawer(c *percpu.CPU) {
	mu.Lock(c)
	drawing = drawThread
	damage.Store(1)
	c.Retick = 1
	mu.Unlock(c)
}

// Waiting reports whether something waits for a tick of c: the drawing thread, or ports that c is to
// give their interrupts again.
//
// Context: any.
func Waiting(c *percpu.CPU) bool {
	return damage.Load() != 0 && drawing == drawThread || paused.Load() == c.ID+1
}

// TakeDamage reports whether there is something to draw, once.
//
// Context: any.
func TakeDamage() bool { return damage.Load() != 0 && damage.Swap(0) != 0 }

// Show puts the beginning of p on the screen, as much as fits one step, and returns the
// number of bytes, which may be 0. p is a unit, or the rest of the one that the last call
// began. The caller lets interrupts in and calls Show again, until nothing is left; no line
// of the log comes between. session says that p comes from the session of the screen.
//
// Context: one thread at a time, which is not interrupted by a signal between two calls.
func Show(c *percpu.CPU, p []byte, session bool) (n int) {
	if !showing {
		return len(p)
	}
	mu.Lock(c)
	if n = len(p); use() {
		if n = 0; inUnit || !nextLine() {
			n = showUnit(p, session)
		}
		wantDrawing(c)
		inUse.Store(0)
	}
	mu.Unlock(c)
	return n
}

// use begins a step on the display, which ends with inUse.Store(0). It reports false once
// there is a report: what a program that still runs writes would scroll its reason away.
//
// Locks: mu held; not asserted: all callers have taken it.
func use() bool {
	inUse.Store(1)
	if reporting.Load() == 0 {
		return true
	}
	inUse.Store(0)
	return false
}

// showUnit is Show's step. The open line is short, so it counts little.
//
// Locks: mu held; not asserted: Show, the only caller, has taken it.
func showUnit(p []byte, session bool) (n int) {
	if session {
		n = display.Write(p)
		inUnit = n < len(p)
		screenOpen.note(p[:n])
		return n
	}
	if !inUnit {
		showAll(screenOpen.before())
	}
	n = display.Write(p)
	if inUnit = n < len(p); !inUnit {
		showAll(screenOpen.feed(p))
		showAll(screenOpen.after())
	}
	return n
}

// showAll puts a few bytes on the screen.
func showAll(p []byte) {
	for len(p) > 0 {
		p = p[display.Write(p):]
	}
}

// Draw does one step of what is to be drawn, and reports whether there may be more. A
// step has a bounded length, and most of it runs without the lock.
//
// Context: the drawing thread, interrupts off.
func Draw(c *percpu.CPU) (more bool) {
	mu.Lock(c)
	if !use() {
		mu.Unlock(c)
		return false
	}
	if !inUnit && nextLine() {
		inUse.Store(0)
		mu.Unlock(c)
		return true
	}
	more = display.Next(&run)
	painting.Store(1)
	inUse.Store(0)
	mu.Unlock(c)
	display.Paint(&run)
	painting.Store(0)
	return more
}

// wantDrawing draws, or makes the drawing thread do it.
//
// Locks: mu held.
func wantDrawing(c *percpu.CPU) {
	mu.AssertHeld(c)
	damage.Store(1)
	c.Retick = 1 // the tick wakes the drawing thread
	switch drawing {
	case drawAtOnce:
		display.Show()
	case drawSome:
		for range 2 {
			display.Next(&run)
			display.Paint(&run)
		}
	}
}

// showLog puts new lines of the log on the screen.
//
// Locks: mu held.
func showLog(c *percpu.CPU, p phase) {
	mu.AssertHeld(c)
	if !showing || !use() {
		return
	}
	if p != drawThread && !inUnit {
		for nextLine() && p == drawAtOnce {
		}
	}
	wantDrawing(c)
	inUse.Store(0)
}

// nextLine puts the next line of the log on the screen, unless its level is not printed. It
// reports false at the end of the log.
//
// Locks: mu held; not asserted: a report takes no lock.
func nextLine() bool {
	seen = max(seen, logStart)
	if seen >= logEnd {
		return false
	}
	size, level := logAt(seen, 2), Level(logAt(seen+2, 1))
	id, at := uint32(logAt(seen+4, 4)), clock.Time(logAt(seen+8, 8))
	from := seen + headerLen
	seen = from + size
	if level < logPrint && seen <= logEnd {
		var l Line
		prefix(&l, at, id)
		first, rest := logText(from, size)
		showAll(screenOpen.before())
		display.Line(colorsOf(level), l.Bytes(), first, rest)
		showAll(screenOpen.after())
	}
	return true
}

// logText returns the bytes of the log from a position on: two pieces at the ring's end.
func logText(from, n uint64) (first, rest []byte) {
	i := from % uint64(len(logBytes))
	if i+n <= uint64(len(logBytes)) {
		return logBytes[i : i+n], nil
	}
	return logBytes[i:], logBytes[:i+n-uint64(len(logBytes))]
}

// colorsOf returns the colours of a line of the log.
func colorsOf(l Level) uint8 {
	switch {
	case l <= Error:
		return screen.Colors(screen.BrightRed, screen.Black)
	case l == Warning:
		return screen.Colors(screen.BrightYellow, screen.Black)
	case l == Notice:
		return screen.Colors(screen.BrightWhite, screen.Black)
	case l == Info:
		return screen.Colors(screen.White, screen.Black)
	}
	return screen.Colors(screen.Gray, screen.Black)
}

// drainScreen shows all that there is to show.
func drainScreen(c *percpu.CPU) {
	if !showing {
		return
	}
	mu.Lock(c)
	for end := clock.After(100 * clock.Millisecond); painting.Load() != 0 && !end.Passed(); {
		mu.Unlock(c)
		cpu.Pause()
		mu.Lock(c)
	}
	for nextLine() {
	}
	display.Show()
	mu.Unlock(c)
}

// emergency is the state of the screen's part of Emergency.
var emergency struct {
	lines int
	off   bool
}

// keptRows is how many lines of what was on the screen before a report stay.
const keptRows = 5

// emergencyScreen shows a part of a report, without the lock.
func emergencyScreen(p []byte) {
	if !showing || emergency.off {
		return
	}
	n, ended := len(p), false
	for len(p) > 0 {
		ended = p[len(p)-1] == '\n'
		p = p[display.Write(p):]
	}
	if !ended {
		return
	}
	emergency.lines += 1 + (n-1)/display.Cols()                // a long line goes on in the next row
	emergency.off = emergency.lines >= display.Rows()-keptRows // what follows would scroll the reason away
	display.Show()
}

// stepLimit is far longer than a step, unless the CPU that panics was in it.
const stepLimit = 50 * clock.Millisecond

// emergencyBegin takes the screen over for a report: white on red, after what was to be shown.
func emergencyBegin() {
	if !showing {
		return
	}
	if drawing == drawThread { // other CPUs run: the step of one of them may be under way
		for end := clock.After(stepLimit); inUse.Load()|painting.Load() != 0 && !end.Passed(); {
			cpu.Pause()
		}
	}
	display.Repair()
	for range len(logBytes) / headerLen {
		if !nextLine() {
			break
		}
	}
	display.SetColors(screen.Colors(screen.BrightWhite, screen.Red))
	emergency.lines = 0
}

// EmergencySerial says that what follows is for the serial port alone: too much for a screen.
func EmergencySerial() { emergency.off, essence.whole = true, true }
