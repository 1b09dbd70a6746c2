package console

import (
	"muster/kernel/clock"
	"muster/kernel/percpu"
	"muster/kernel/persist"
)

// Level is the severity of a log line, with Linux's numbers.
type Level uint8

// Levels. A line is always kept. It is printed when its level is below the one that
// SetLevel set.
const (
	Emerg   Level = 0
	Error   Level = 3
	Warning Level = 4
	Notice  Level = 5
	Info    Level = 6
	Debug   Level = 7
)

// DefaultLevel prints everything but Debug.
const DefaultLevel = Debug

// The log is a ring of records: a header of headerLen bytes, then the text.
// Positions count bytes from the first ever written.
var (
	logBytes [128 << 10]byte
	logStart uint64 // position of the oldest record
	logEnd   uint64 // position after the newest
	logPrint = DefaultLevel
)

// A record's header: length of the text in 2 bytes, level in 1, 1 byte unused,
// CPU in 4, time in 8.
const headerLen = 16

// SetLevel sets the level below which lines are printed.
func SetLevel(c *percpu.CPU, l Level) {
	mu.Lock(c)
	logPrint = l
	mu.Unlock(c)
}

// Log keeps text, one line without its newline, and prints it after the time and
// the CPU:
//
//	[    0.012345] cpu0: mem: 252 MiB free
//
// Context: any but NMI.
func Log(c *percpu.CPU, level Level, text []byte) {
	now := clock.Time(0)
	if clock.Hz() != 0 {
		now = clock.Now()
	}
	text = text[:min(len(text), 1000)]
	mu.Lock(c)
	keep(c.ID, level, now, text)
	if level < logPrint && !mute {
		if irqs {
			queueLine(c, now, text)
			kick()
		} else {
			pollLine(c, now, text)
		}
	}
	showLog(c, drawing)
	mu.Unlock(c)
}

// pollLine prints a line by polling, before the UART interrupts.
//
// Locks: mu held.
func pollLine(c *percpu.CPU, now clock.Time, text []byte) {
	mu.AssertHeld(c)
	var l Line
	prefix(&l, now, c.ID)
	writeAll(c, serialOpen.before())
	writeAll(c, l.Bytes())
	writeAll(c, text)
	l.n = 0
	writeAll(c, l.Byte('\n').Bytes())
	writeAll(c, serialOpen.after())
}

// dropped is the number of log lines that the ring had no room for, since the last line
// that says so. They are in the log all the same.
var dropped uint64

// noticeRoom is the room that queueLine leaves free for the line about dropped ones.
const noticeRoom = 160

// queueLine puts a line into the ring, or drops it if the ring has no room for all of
// it. It does not wait: a full ring takes 1.4 s at 115,200 baud, and this CPU's
// interrupts are off.
//
// Locks: mu held.
func queueLine(c *percpu.CPU, now clock.Time, text []byte) {
	mu.AssertHeld(c)
	var l Line
	prefix(&l, now, c.ID)
	if len(tx.buf)-tx.len() < l.n+len(text)+2+noticeRoom+2*serialOpen.room() {
		dropped++
		return
	}
	queueNotice(c, now)
	tx.put(serialOpen.before())
	tx.putText(l.Bytes())
	tx.putText(text)
	l.n = 0
	tx.putText(l.Byte('\n').Bytes())
	tx.put(serialOpen.after())
}

// queueNotice says how many lines were dropped, once the ring has room again.
//
// Locks: mu held.
func queueNotice(c *percpu.CPU, now clock.Time) {
	mu.AssertHeld(c)
	if dropped == 0 || len(tx.buf)-tx.len() < noticeRoom+serialOpen.room() {
		return
	}
	var l Line
	prefix(&l, now, c.ID)
	tx.put(serialOpen.before())
	tx.putText(notice(&l).Byte('\n').Bytes())
	tx.put(serialOpen.after())
	dropped = 0
}

func notice(l *Line) *Line {
	return l.Str("console: lines of the log that were not printed, because the serial port is slow: ").Dec(dropped).Str("; dmesg has them")
}

// prefix writes the time in seconds and the CPU.
func prefix(l *Line, now clock.Time, id uint32) {
	us := uint64(now / clock.Microsecond)
	l.Byte('[').DecPad(us/1e6, 5).Byte('.').number(us%1e6, 10, 6)
	l.Str("] cpu").Dec(uint64(id)).Str(": ")
}

// keep appends a record to the log and drops the oldest ones that it overwrites.
func keep(id uint32, level Level, now clock.Time, text []byte) {
	need := uint64(headerLen + len(text))
	for logEnd+need-logStart > uint64(len(logBytes)) {
		logStart += uint64(headerLen) + uint64(logAt(logStart, 2))
	}
	logPut(uint64(len(text)), 2)
	logPut(uint64(level), 2)
	logPut(uint64(id), 4)
	logPut(uint64(now), 8)
	for _, b := range text {
		logPut(uint64(b), 1)
	}
	persist.Log(id, uint8(level), uint64(now), text, nil)
}

// Persist begins to keep the log in a range of RAM that a reset leaves as it is, from the
// first line that the log has. number is that of this boot.
//
// Context: boot CPU, before the runtime starts.
func Persist(c *percpu.CPU, va uintptr, number uint32) {
	mu.Lock(c)
	persist.Start(va, number)
	for pos := logStart; pos < logEnd; {
		size := logAt(pos, 2)
		first, rest := logText(pos+headerLen, size)
		persist.Log(uint32(logAt(pos+4, 4)), uint8(logAt(pos+2, 1)), logAt(pos+8, 8), first, rest)
		pos += headerLen + size
	}
	mu.Unlock(c)
}

func logPut(v uint64, bytes int) {
	for range bytes {
		logBytes[logEnd%uint64(len(logBytes))] = byte(v)
		logEnd++
		v >>= 8
	}
}

func logAt(pos uint64, bytes int) (v uint64) {
	for i := range bytes {
		v |= uint64(logBytes[(pos+uint64(i))%uint64(len(logBytes))]) << (8 * i)
	}
	return v
}

// Entry is one record of the log.
type Entry struct {
	Level Level
	CPU   uint32
	Time  clock.Time
}

// ReadLog copies the first record at or after pos into e and text, and returns the
// next position and the length of the text. ok is false at the end.
func ReadLog(c *percpu.CPU, pos uint64, e *Entry, text []byte) (next uint64, n int, ok bool) {
	mu.Lock(c)
	pos = max(pos, logStart)
	if pos < logEnd {
		ok = true
		size := logAt(pos, 2)
		e.Level = Level(logAt(pos+2, 1))
		e.CPU = uint32(logAt(pos+4, 4))
		e.Time = clock.Time(logAt(pos+8, 8))
		n = min(int(size), len(text))
		for i := range n {
			text[i] = byte(logAt(pos+headerLen+uint64(i), 1))
		}
		pos += headerLen + size
	}
	mu.Unlock(c)
	return pos, n, ok
}

// Say logs a line at level Info.
func Say(c *percpu.CPU, l *Line) { Log(c, Info, l.Bytes()) }

// Warn logs a line at level Warning.
func Warn(c *percpu.CPU, l *Line) { Log(c, Warning, l.Bytes()) }
