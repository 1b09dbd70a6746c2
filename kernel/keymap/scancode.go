package keymap

// Decoder makes key events of the bytes of a PS/2 keyboard, in scancode set 1, which is
// what a controller that translates passes on, or in set 2, which is what the keyboard
// sends.
type Decoder struct {
	Set2     bool
	extended bool // 0xe0 came
	up       bool // set 2: 0xf0 came
	skip     int  // bytes of the Pause key to come
	shift    bool // set 1: the left Shift key is down
}

// Prefixes of scancodes.
const (
	codeExtended = 0xe0
	codePause    = 0xe1
	codeUp       = 0xf0 // set 2
	codeRelease  = 0x80 // set 1, added to the key's code
)

// Add takes one byte, and returns the event that it completes. ok is false if it
// completes none.
func (d *Decoder) Add(b byte) (e Event, ok bool) {
	switch {
	case d.skip > 0: // of Pause: it is reported with its last byte
		d.skip--
		return Event{KeyPause, true}, d.skip == 0
	case b == codeExtended:
		d.extended = true
		return e, false
	case b == codePause:
		*d = Decoder{Set2: d.Set2, shift: d.shift, skip: 5}
		if d.Set2 {
			d.skip = 7
		}
		return e, false
	case d.Set2 && b == codeUp:
		d.up = true
		return e, false
	}
	e = d.whole(b)
	d.extended, d.up = false, false
	if e.Key == LeftShift {
		d.shift = e.Down
	}
	return e, e.Key != KeyNone
}

// whole returns the event of a code whose prefixes have been read. A key that has no
// place in the tables is KeyNone. The shifts that a keyboard puts around the keys between
// the letters and the number pad have none: 0xe0 0x2a in set 1, 0xe0 0x12 in set 2.
func (d *Decoder) whole(b byte) Event {
	if d.Set2 {
		if d.extended {
			return Event{set2Extended[b], !d.up}
		}
		return Event{set2[b], !d.up}
	}
	code, down := b&^codeRelease, b&codeRelease == 0
	if d.extended {
		return Event{set1Extended[code], down}
	}
	return Event{set1[code], down}
}

// Fresh reports whether 0xaa, the byte that a keyboard sends after it was plugged in, is
// that byte here. In set 1 it is also the release of the left Shift key.
func (d *Decoder) Fresh() bool { return !d.extended && !d.up && d.skip == 0 && (d.Set2 || !d.shift) }

// The tables have a key for each code.
//
// Source: IBM PS/2 Technical Reference, "Keyboard (101- and 102-Key)", "Scan Codes".
var (
	set1 = [128]Key{
		0x01: KeyEscape, 0x02: Key1, 0x03: Key1 + 1, 0x04: Key1 + 2, 0x05: Key1 + 3, 0x06: Key1 + 4, 0x07: Key1 + 5,
		0x08: Key1 + 6, 0x09: Key1 + 7, 0x0a: Key1 + 8, 0x0b: Key0, 0x0c: KeyMinus, 0x0d: KeyEqual, 0x0e: KeyBackspace,
		0x0f: KeyTab, 0x10: letter('q'), 0x11: letter('w'), 0x12: letter('e'), 0x13: letter('r'), 0x14: letter('t'),
		0x15: letter('y'), 0x16: letter('u'), 0x17: letter('i'), 0x18: letter('o'), 0x19: letter('p'),
		0x1a: KeyLeftBracket, 0x1b: KeyRightBrack, 0x1c: KeyEnter, 0x1d: LeftControl,
		0x1e: letter('a'), 0x1f: letter('s'), 0x20: letter('d'), 0x21: letter('f'), 0x22: letter('g'), 0x23: letter('h'),
		0x24: letter('j'), 0x25: letter('k'), 0x26: letter('l'), 0x27: KeySemicolon, 0x28: KeyQuote, 0x29: KeyGrave,
		0x2a: LeftShift, 0x2b: KeyBackslash, 0x2c: letter('z'), 0x2d: letter('x'), 0x2e: letter('c'), 0x2f: letter('v'),
		0x30: letter('b'), 0x31: letter('n'), 0x32: letter('m'), 0x33: KeyComma, 0x34: KeyDot, 0x35: KeySlash,
		0x36: RightShift, 0x37: PadStar, 0x38: LeftAlt, 0x39: KeySpace, 0x3a: KeyCapsLock,
		0x3b: KeyF1, 0x3c: KeyF1 + 1, 0x3d: KeyF1 + 2, 0x3e: KeyF1 + 3, 0x3f: KeyF1 + 4, 0x40: KeyF1 + 5,
		0x41: KeyF1 + 6, 0x42: KeyF1 + 7, 0x43: KeyF1 + 8, 0x44: KeyF1 + 9, 0x45: KeyNumLock, 0x46: KeyScrollLock,
		0x47: Pad1 + 6, 0x48: Pad1 + 7, 0x49: Pad1 + 8, 0x4a: PadMinus, 0x4b: Pad1 + 3, 0x4c: Pad1 + 4, 0x4d: Pad1 + 5,
		0x4e: PadPlus, 0x4f: Pad1, 0x50: Pad1 + 1, 0x51: Pad1 + 2, 0x52: Pad0, 0x53: PadDot,
		0x54: KeyPrint, 0x56: Key102, 0x57: KeyF11, 0x58: KeyF12,
	}
	set1Extended = [128]Key{
		0x1c: PadEnter, 0x1d: RightControl, 0x35: PadSlash, 0x37: KeyPrint, 0x38: RightAlt, 0x46: KeyPause,
		0x47: KeyHome, 0x48: KeyUp, 0x49: KeyPageUp, 0x4b: KeyLeft, 0x4d: KeyRight, 0x4f: KeyEnd, 0x50: KeyDown,
		0x51: KeyPageDown, 0x52: KeyInsert, 0x53: KeyDelete, 0x5b: LeftGUI, 0x5c: RightGUI, 0x5d: KeyMenu,
	}
	set2 = [256]Key{
		0x76: KeyEscape, 0x16: Key1, 0x1e: Key1 + 1, 0x26: Key1 + 2, 0x25: Key1 + 3, 0x2e: Key1 + 4, 0x36: Key1 + 5,
		0x3d: Key1 + 6, 0x3e: Key1 + 7, 0x46: Key1 + 8, 0x45: Key0, 0x4e: KeyMinus, 0x55: KeyEqual, 0x66: KeyBackspace,
		0x0d: KeyTab, 0x15: letter('q'), 0x1d: letter('w'), 0x24: letter('e'), 0x2d: letter('r'), 0x2c: letter('t'),
		0x35: letter('y'), 0x3c: letter('u'), 0x43: letter('i'), 0x44: letter('o'), 0x4d: letter('p'),
		0x54: KeyLeftBracket, 0x5b: KeyRightBrack, 0x5a: KeyEnter, 0x14: LeftControl,
		0x1c: letter('a'), 0x1b: letter('s'), 0x23: letter('d'), 0x2b: letter('f'), 0x34: letter('g'), 0x33: letter('h'),
		0x3b: letter('j'), 0x42: letter('k'), 0x4b: letter('l'), 0x4c: KeySemicolon, 0x52: KeyQuote, 0x0e: KeyGrave,
		0x12: LeftShift, 0x5d: KeyBackslash, 0x1a: letter('z'), 0x22: letter('x'), 0x21: letter('c'), 0x2a: letter('v'),
		0x32: letter('b'), 0x31: letter('n'), 0x3a: letter('m'), 0x41: KeyComma, 0x49: KeyDot, 0x4a: KeySlash,
		0x59: RightShift, 0x7c: PadStar, 0x11: LeftAlt, 0x29: KeySpace, 0x58: KeyCapsLock,
		0x05: KeyF1, 0x06: KeyF1 + 1, 0x04: KeyF1 + 2, 0x0c: KeyF1 + 3, 0x03: KeyF1 + 4, 0x0b: KeyF1 + 5,
		0x83: KeyF1 + 6, 0x0a: KeyF1 + 7, 0x01: KeyF1 + 8, 0x09: KeyF1 + 9, 0x77: KeyNumLock, 0x7e: KeyScrollLock,
		0x6c: Pad1 + 6, 0x75: Pad1 + 7, 0x7d: Pad1 + 8, 0x7b: PadMinus, 0x6b: Pad1 + 3, 0x73: Pad1 + 4, 0x74: Pad1 + 5,
		0x79: PadPlus, 0x69: Pad1, 0x72: Pad1 + 1, 0x7a: Pad1 + 2, 0x70: Pad0, 0x71: PadDot,
		0x84: KeyPrint, 0x61: Key102, 0x78: KeyF11, 0x07: KeyF12,
	}
	set2Extended = [256]Key{
		0x5a: PadEnter, 0x14: RightControl, 0x4a: PadSlash, 0x7c: KeyPrint, 0x11: RightAlt, 0x7e: KeyPause,
		0x6c: KeyHome, 0x75: KeyUp, 0x7d: KeyPageUp, 0x6b: KeyLeft, 0x74: KeyRight, 0x69: KeyEnd, 0x72: KeyDown,
		0x7a: KeyPageDown, 0x70: KeyInsert, 0x71: KeyDelete, 0x1f: LeftGUI, 0x27: RightGUI, 0x2f: KeyMenu,
	}
)

// letter returns the key that has a letter in the us layout.
func letter(r rune) Key { return KeyA + Key(r-'a') }
