package keymap

import (
	"fmt"
	"unicode/utf8"
)

// finals are the keys that a terminal sends as ESC [ and a letter, with modifiers as
// ESC [ 1 ; N and the letter (ECMA-48, "Control sequences", and xterm's numbers).
var finals = map[Key]byte{KeyUp: 'A', KeyDown: 'B', KeyRight: 'C', KeyLeft: 'D', KeyHome: 'H', KeyEnd: 'F'}

// numbers are the keys that a terminal sends as ESC [ N ~.
var numbers = map[Key]int{
	KeyInsert: 2, KeyDelete: 3, KeyPageUp: 5, KeyPageDown: 6,
	KeyF1 + 4: 15, KeyF1 + 5: 17, KeyF1 + 6: 18, KeyF1 + 7: 19, KeyF1 + 8: 20, KeyF1 + 9: 21, KeyF11: 23, KeyF12: 24,
}

// pad is what the keys of the number pad do without Num Lock.
var pad = [...]Key{KeyEnd, KeyDown, KeyPageDown, KeyLeft, KeyNone, KeyRight, KeyHome, KeyUp, KeyPageUp, KeyInsert, KeyDelete}

// text returns the bytes of a key, none for a key that has none.
//
// Locks: b.mu held; not asserted: a sync.Mutex does not record its holder.
func (b *Board) text(k Key, m mods) []byte {
	if k >= Pad1 && k <= PadDot {
		if b.locks.Num {
			return b.char([]rune("1234567890" + string(b.layout.dot))[k-Pad1], m)
		}
		k = pad[k-Pad1]
	}
	if p := sequence(k, m); p != nil {
		return p
	}
	switch k {
	case KeyEnter, PadEnter:
		return alone('\r', m)
	case KeyEscape:
		return alone(0x1b, m)
	case KeyTab:
		if m.shift {
			return []byte("\x1b[Z")
		}
		return alone('\t', m)
	case KeyBackspace:
		if m.control {
			return alone('\b', m)
		}
		return alone(0x7f, m)
	case PadSlash, PadStar, PadMinus, PadPlus:
		return b.char(rune("/*-+"[k-PadSlash]), m)
	}
	if r := b.layout.char(k, m.shift, b.locks.Caps, m.third); r != 0 {
		return b.char(r, m)
	}
	return nil
}

// sequence returns the bytes of a key that terminals send as an escape sequence.
func sequence(k Key, m mods) []byte {
	n := 1
	for i, on := range []bool{m.shift, m.alt, m.control} {
		if on {
			n += 1 << i
		}
	}
	final, ok := finals[k]
	if k >= KeyF1 && k < KeyF1+4 {
		if n == 1 {
			return []byte{0x1b, 'O', 'P' + byte(k-KeyF1)}
		}
		final, ok = 'P'+byte(k-KeyF1), true
	}
	number := numbers[k]
	switch {
	case ok && n == 1:
		return []byte{0x1b, '[', final}
	case ok:
		return fmt.Appendf(nil, "\x1b[1;%d%c", n, final)
	case number != 0 && n == 1:
		return fmt.Appendf(nil, "\x1b[%d~", number)
	case number != 0:
		return fmt.Appendf(nil, "\x1b[%d;%d~", number, n)
	}
	return nil
}

// alone returns a byte, after ESC if Alt is down.
func alone(c byte, m mods) []byte {
	if m.alt {
		return []byte{0x1b, c}
	}
	return []byte{c}
}

// char returns the bytes of a character: by way of the accent that waits, or as the
// control character.
//
// Locks: b.mu held; not asserted: a sync.Mutex does not record its holder.
func (b *Board) char(r rune, m mods) []byte {
	if m.control {
		b.accent = 0
		if c, ok := control(r); ok {
			return alone(c, m)
		}
		return nil
	}
	if accent := b.accent; accent != 0 {
		b.accent = 0
		with, ok := b.layout.dead[accent][r]
		switch {
		case ok:
			r = with
		case r == ' ' || r == accent:
			r = accent
		default: // no such letter: the accent stands before it
			return utf8.AppendRune(utf8.AppendRune(nil, accent), r)
		}
	} else if b.layout.dead[r] != nil {
		b.accent = r
		return nil
	}
	var p []byte
	if m.alt {
		p = append(p, 0x1b)
	}
	return utf8.AppendRune(p, r)
}

// control returns the control character that a terminal sends for Control and a
// character.
func control(r rune) (c byte, ok bool) {
	switch {
	case r >= '@' && r <= '_' || r >= 'a' && r <= 'z':
		return byte(r) & 0x1f, true
	case r == ' ':
		return 0, true
	case r == '/':
		return 0x1f, true
	case r == '?':
		return 0x7f, true
	}
	return 0, false
}
