package console

// A session is a shell on the serial port or on the screen. What it has written since its last line
// feed is its open line: the prompt, and what is typed after it. A line of the log, or of a program in the
// background, must not come into the middle of that. So the open line is erased before, and written
// again afterwards.

// openMax is the longest open line that is kept, in bytes. A longer one is not written again.
const openMax = 512

// openRow is how many bytes surely fit one row of a terminal. A line that may have several rows stays as
// it is, and what comes between begins in the next row.
const openRow = 78

// openLine is the open line of a session, as its bytes; guarded by mu. n may be more than are kept.
type openLine struct {
	n    int
	seq  sequence
	kept [openMax]byte
}

// sequence says how far the session's last bytes are into an escape sequence: ESC, [, parameters, and a
// letter that says what to do.
type sequence uint8

const (
	noSequence sequence = iota
	afterESC
	inParameters
)

// The open lines of the two sessions.
var serialOpen, screenOpen openLine

// note takes what the session has written.
func (o *openLine) note(p []byte) {
	for _, b := range p {
		if o.leaves(b) || b == '\n' {
			o.n = 0
			continue
		}
		if o.n < openMax {
			o.kept[o.n] = b
		}
		o.n++
	}
}

// leaves reports whether a byte ends a sequence that clears the screen or moves the cursor to a place of the
// screen (J, H), as control-L and top do. What follows is a new open line: the sequence itself must not be
// written again, because it would remove the line that came between.
func (o *openLine) leaves(b byte) bool {
	in := o.seq
	switch {
	case b == 0x1b:
		o.seq = afterESC
	case in == afterESC && b == '[', in == inParameters && (b < '@' || b > '~'):
		o.seq = inParameters
	default:
		o.seq = noSequence
	}
	return in == inParameters && (b == 'J' || b == 'H')
}

var (
	eraseRow = [...]byte{'\r', 0x1b, '[', 'K'}
	nextRow  = [...]byte{'\r', '\n'}
)

// before returns what comes before the bytes of another writer.
func (o *openLine) before() []byte {
	switch {
	case o.n == 0:
		return nil
	case o.n > openRow:
		return nextRow[:]
	}
	return eraseRow[:]
}

// after returns what comes after them.
func (o *openLine) after() []byte {
	if o.n > openMax {
		return nil
	}
	return o.kept[:o.n]
}

// feed returns the line feed that a piece of another writer lacks, if the open line is to follow it.
func (o *openLine) feed(p []byte) []byte {
	if o.n == 0 || len(p) > 0 && p[len(p)-1] == '\n' {
		return nil
	}
	return nextRow[:]
}

// room is how much before, feed and after have at most.
func (o *openLine) room() int {
	if o.n == 0 {
		return 0
	}
	return len(eraseRow) + len(nextRow) + min(o.n, openMax)
}

// putBetween puts bytes of another writer into the ring, which has room for them and for o.room.
func (o *openLine) putBetween(r *ring, p []byte) {
	r.put(o.before())
	r.put(p)
	r.put(o.feed(p))
	r.put(o.after())
}
