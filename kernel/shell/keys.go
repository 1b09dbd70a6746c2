package shell

import "unicode/utf8"

// keys makes whole keys of the bytes that arrive at the serial port, and passes on
// only the keys that the line editor supports. The editor waits for more bytes
// after a key that it does not support: a byte that is not UTF-8, a sequence
// without an end and the start of a bracketed paste (ESC [ 2 0 0 ~) would each keep
// it from seeing Enter.
//
// The sequences are those of ECMA-48, "Code Extension Techniques": ESC, then [ and a
// control sequence, O and one letter, or one of ] P X ^ _ and a string.
type keys struct {
	state keyState
	seq   []byte // of a sequence, the bytes after ESC; of a character, its first bytes
	cr    bool   // the last key was a carriage return
}

type keyState uint8

const (
	inText     keyState = iota // seq holds the bytes of an unfinished character
	inEscape                   // ESC came
	inSequence                 // ESC [ or ESC O came, the final byte did not
	inString                   // text for the terminal, up to BEL or ESC backslash
)

// maxSequence is longer than every sequence in known.
const maxSequence = 8

// known are the sequences that move the cursor or delete, by the bytes after ESC,
// from terminals of several kinds. The value is the editor's sequence for the same
// key.
var known = map[string]string{
	"[A": "\x1b[A", "OA": "\x1b[A", // up
	"[B": "\x1b[B", "OB": "\x1b[B", // down
	"[C": "\x1b[C", "OC": "\x1b[C", // right
	"[D": "\x1b[D", "OD": "\x1b[D", // left
	"[H": "\x1b[H", "OH": "\x1b[H", "[1~": "\x1b[H", "[7~": "\x1b[H", // home
	"[F": "\x1b[F", "OF": "\x1b[F", "[4~": "\x1b[F", "[8~": "\x1b[F", // end
	"[3~":   "\x1b[3~",                         // delete
	"[1;3C": "\x1b[1;3C", "[1;5C": "\x1b[1;3C", // alt or control and right: a word to the right
	"[1;3D": "\x1b[1;3D", "[1;5D": "\x1b[1;3D", // and to the left
	"f": "\x1b[1;3C", "b": "\x1b[1;3D", // the same in Emacs's keys
}

// editing are the control characters that the editor supports, without control-C
// and control-D, which would end its input, and with Tab, which completes.
const editing = "\x01\x02\x05\x06\b\t\x0b\x0c\x0e\x10\x14\x15\x17\r"

// reset forgets an unfinished key.
func (k *keys) reset() { k.state, k.seq, k.cr = inText, nil, false }

// add takes one byte and returns the key that it completes, nil if it completes
// none. A control character ends any unfinished sequence: Enter always works.
func (k *keys) add(b byte) []byte {
	switch {
	case b == 0x1b:
		k.reset()
		k.state = inEscape
		return nil
	case b < ' ' || b == 0x7f:
		return k.control(b)
	}
	switch k.state {
	case inEscape:
		return k.escape(b)
	case inSequence:
		return k.sequence(b)
	case inString:
		return nil
	}
	return k.text(b)
}

func (k *keys) control(b byte) []byte {
	afterCR := k.cr
	k.reset()
	switch {
	case b == '\n' && afterCR: // the same Enter
		return nil
	case b == '\n':
		b = '\r'
	case b == '\r':
		k.cr = true
	case b == 0x7f:
		return []byte{b} // backspace
	}
	for i := range len(editing) {
		if editing[i] == b {
			return []byte{b}
		}
	}
	return nil
}

// escape takes the byte after ESC.
func (k *keys) escape(b byte) []byte {
	switch b {
	case '[', 'O':
		k.state, k.seq = inSequence, []byte{b}
		return nil
	case ']', 'P', 'X', '^', '_':
		k.state = inString
		return nil
	}
	k.reset()
	return []byte(known[string(rune(b))])
}

// sequence takes a byte of a control sequence. A byte from @ to ~ is its last. A
// byte that cannot be part of a sequence ends it, and both are lost.
func (k *keys) sequence(b byte) []byte {
	if b < '@' {
		if len(k.seq) < maxSequence {
			k.seq = append(k.seq, b)
		}
		return nil
	}
	key := known[string(append(k.seq, b))]
	k.reset()
	return []byte(key)
}

// text takes a byte of a character. A byte that is not UTF-8, and a character that
// a terminal would execute, become a question mark, so that the user sees that
// something was there.
func (k *keys) text(b byte) []byte {
	k.cr = false
	if b < utf8.RuneSelf && len(k.seq) > 0 { // the character before was cut short
		k.seq = nil
		return []byte{'?', b}
	}
	k.seq = append(k.seq, b)
	if !utf8.FullRune(k.seq) {
		return nil
	}
	r, n := utf8.DecodeRune(k.seq)
	rest := k.seq[n:]
	k.seq = nil
	if r == utf8.RuneError || r < 0xa0 && r >= utf8.RuneSelf {
		key := []byte{'?'}
		for _, b := range rest { // of a start byte after a cut character
			key = append(key, k.text(b)...)
		}
		return key
	}
	return utf8.AppendRune(nil, r)
}
