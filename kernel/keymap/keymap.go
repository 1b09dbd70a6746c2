// Package keymap makes bytes of keys: it decodes the scancodes of PS/2 keyboards, keeps
// modifiers and locks, and has the layouts. The bytes are those that a terminal at the
// serial port sends for the same key.
//
// Layer: pure.
// Context: any goroutine.
// Locks: Board.mu guards the state of all keyboards of a board.
// Manual: USB HID Usage Tables, "Keyboard/Keypad Page (0x07)"; IBM PS/2 Technical
// Reference, "Keyboard (101- and 102-Key)"; ECMA-48 for the sequences.
// Chapter: docs/13-devices.md.
// Left out: scancode set 3, media keys, layouts other than us and de, Compose.
package keymap

// Key is a key by its place on the keyboard: a usage of the HID keyboard page. Letters
// and signs are named after the us layout.
type Key uint8

// The keys. Those that have no name here are numbered in a row with the one before them.
const (
	KeyNone        Key = 0
	KeyA           Key = 0x04 // to Z, 0x1d
	Key1           Key = 0x1e // to 9, 0x26
	Key0           Key = 0x27
	KeyEnter       Key = 0x28
	KeyEscape      Key = 0x29
	KeyBackspace   Key = 0x2a
	KeyTab         Key = 0x2b
	KeySpace       Key = 0x2c
	KeyMinus       Key = 0x2d
	KeyEqual       Key = 0x2e
	KeyLeftBracket Key = 0x2f
	KeyRightBrack  Key = 0x30
	KeyBackslash   Key = 0x31
	KeyHash        Key = 0x32 // left of Enter on European keyboards
	KeySemicolon   Key = 0x33
	KeyQuote       Key = 0x34
	KeyGrave       Key = 0x35
	KeyComma       Key = 0x36
	KeyDot         Key = 0x37
	KeySlash       Key = 0x38
	KeyCapsLock    Key = 0x39
	KeyF1          Key = 0x3a // to F12, 0x45
	KeyF11         Key = 0x44
	KeyF12         Key = 0x45
	KeyPrint       Key = 0x46
	KeyScrollLock  Key = 0x47
	KeyPause       Key = 0x48
	KeyInsert      Key = 0x49
	KeyHome        Key = 0x4a
	KeyPageUp      Key = 0x4b
	KeyDelete      Key = 0x4c
	KeyEnd         Key = 0x4d
	KeyPageDown    Key = 0x4e
	KeyRight       Key = 0x4f
	KeyLeft        Key = 0x50
	KeyDown        Key = 0x51
	KeyUp          Key = 0x52
	KeyNumLock     Key = 0x53
	PadSlash       Key = 0x54
	PadStar        Key = 0x55
	PadMinus       Key = 0x56
	PadPlus        Key = 0x57
	PadEnter       Key = 0x58
	Pad1           Key = 0x59 // to 9, 0x61
	Pad0           Key = 0x62
	PadDot         Key = 0x63
	Key102         Key = 0x64 // between left Shift and Z on European keyboards
	KeyMenu        Key = 0x65
	LeftControl    Key = 0xe0
	LeftShift      Key = 0xe1
	LeftAlt        Key = 0xe2
	LeftGUI        Key = 0xe3
	RightControl   Key = 0xe4
	RightShift     Key = 0xe5
	RightAlt       Key = 0xe6
	RightGUI       Key = 0xe7
)

// isModifier reports whether a key changes what other keys mean, and says nothing itself.
func (k Key) isModifier() bool { return k >= LeftControl }

// isLock reports whether a key switches a lock. It does so once each time it is pressed.
func (k Key) isLock() bool { return k == KeyCapsLock || k == KeyNumLock || k == KeyScrollLock }

// Event says that a key went down or up.
type Event struct {
	Key  Key
	Down bool
}
