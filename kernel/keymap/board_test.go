package keymap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// board is a board that records.
type board struct {
	*Board
	out      string
	restarts int
}

func newBoard(layout string) *board {
	b := &board{Board: NewBoard(Find(layout))}
	b.Out = func(p []byte) { b.out += string(p) }
	b.Restart = func() { b.restarts++ }
	return b
}

// lamp records the lights of a keyboard.
type lamp struct{ is LEDs }

func (l *lamp) light(x LEDs) { l.is = x }

// chord presses keys in order, and releases them.
func chord(k *Keyboard, keys ...Key) {
	for _, x := range keys {
		k.Key(Event{x, true})
	}
	for _, x := range keys {
		k.Key(Event{x, false})
	}
}

func TestChords(t *testing.T) {
	a, q, two := letter('a'), letter('q'), Key1+1
	tests := []struct {
		layout string
		keys   []Key
		want   string
	}{
		{"us", []Key{a}, "a"}, {"us", []Key{LeftShift, a}, "A"}, {"us", []Key{RightShift, two}, "@"},
		{"us", []Key{KeyBackslash}, `\`}, {"us", []Key{RightShift, Key102}, "|"}, {"us", []Key{KeyQuote}, "'"},
		{"us", []Key{LeftControl, letter('c')}, "\x03"}, {"us", []Key{RightControl, LeftShift, letter('c')}, "\x03"},
		{"us", []Key{LeftControl, KeyBackslash}, "\x1c"}, {"us", []Key{LeftControl, KeyLeftBracket}, "\x1b"},
		{"us", []Key{LeftControl, KeySpace}, "\x00"}, {"us", []Key{LeftControl, LeftShift, two}, "\x00"}, {"us", []Key{LeftControl, Key1}, ""},
		{"us", []Key{LeftAlt, letter('f')}, "\x1bf"}, {"us", []Key{RightAlt, letter('f')}, "\x1bf"},
		{"us", []Key{KeyEnter}, "\r"}, {"us", []Key{PadEnter}, "\r"}, {"us", []Key{KeyBackspace}, "\x7f"}, {"us", []Key{KeyTab}, "\t"},
		{"us", []Key{LeftShift, KeyTab}, "\x1b[Z"}, {"us", []Key{KeyEscape}, "\x1b"},
		{"us", []Key{KeyUp}, "\x1b[A"}, {"us", []Key{KeyLeft}, "\x1b[D"}, {"us", []Key{KeyHome}, "\x1b[H"}, {"us", []Key{KeyEnd}, "\x1b[F"},
		{"us", []Key{LeftControl, KeyRight}, "\x1b[1;5C"}, {"us", []Key{LeftAlt, KeyLeft}, "\x1b[1;3D"},
		{"us", []Key{KeyDelete}, "\x1b[3~"}, {"us", []Key{LeftShift, KeyPageUp}, "\x1b[5;2~"}, {"us", []Key{KeyInsert}, "\x1b[2~"},
		{"us", []Key{KeyF1}, "\x1bOP"}, {"us", []Key{LeftShift, KeyF1 + 3}, "\x1b[1;2S"}, {"us", []Key{KeyF1 + 4}, "\x1b[15~"}, {"us", []Key{KeyF12}, "\x1b[24~"},
		{"us", []Key{Pad1 + 6}, "\x1b[H"}, {"us", []Key{Pad1 + 4}, ""}, {"us", []Key{PadDot}, "\x1b[3~"}, {"us", []Key{PadStar}, "*"},
		{"us", []Key{KeyNumLock, Pad1 + 6, PadDot, Pad0}, "7.0"}, {"de", []Key{KeyNumLock, Pad1, PadDot}, "1,"},
		{"us", []Key{KeyPause}, ""}, {"us", []Key{KeyMenu}, ""}, {"us", []Key{0xdd}, ""},
		{"de", []Key{letter('y')}, "z"}, {"de", []Key{LeftShift, letter('z')}, "Y"}, {"de", []Key{KeySemicolon}, "ö"}, {"de", []Key{LeftShift, KeyQuote}, "Ä"},
		{"de", []Key{KeyMinus}, "ß"}, {"de", []Key{LeftShift, KeyMinus}, "?"}, {"de", []Key{RightAlt, KeyMinus}, `\`}, {"de", []Key{KeyHash}, "#"}, {"de", []Key{KeyBackslash}, "#"},
		{"de", []Key{RightAlt, q}, "@"}, {"de", []Key{RightAlt, Key1 + 6}, "{"}, {"de", []Key{RightAlt, Key1 + 7}, "["}, {"de", []Key{RightAlt, Key1 + 8}, "]"}, {"de", []Key{RightAlt, Key0}, "}"},
		{"de", []Key{RightAlt, Key102}, "|"}, {"de", []Key{Key102}, "<"}, {"de", []Key{LeftShift, Key102}, ">"}, {"de", []Key{RightAlt, KeyRightBrack}, "~"},
		{"de", []Key{RightAlt, letter('e')}, "€"}, {"de", []Key{RightAlt, letter('m')}, "µ"}, {"de", []Key{RightAlt, letter('x')}, ""},
		{"de", []Key{LeftControl, letter('y')}, "\x1a"}, {"de", []Key{LeftControl, RightAlt, KeyMinus}, "\x1c"}, {"de", []Key{LeftShift, Key1 + 6}, "/"},
		{"de", []Key{KeyGrave, letter('a')}, "â"}, {"de", []Key{KeyEqual, LeftShift, letter('e')}, "É"}, {"de", []Key{KeyEqual, KeySpace}, "´"},
		{"de", []Key{KeyGrave, letter('x')}, "^x"}, {"de", []Key{KeyGrave, KeyGrave}, "^"}, {"de", []Key{LeftShift, KeyEqual, KeySpace}, "`"},
	}
	for _, tc := range tests {
		b := newBoard(tc.layout)
		chord(b.Attach(func(LEDs) {}), tc.keys...)
		require.Equal(t, tc.want, b.out, "%s %#x", tc.layout, tc.keys)
		require.Zero(t, b.restarts)
		require.Equal(t, [256]int{}, b.held)
	}
}

// A key that goes down again repeats, but modifiers and locks do not.
func TestRepeat(t *testing.T) {
	b, l := newBoard("us"), lamp{}
	k := b.Attach(l.light)
	for range 4 {
		k.Key(Event{KeyCapsLock, true})
	}
	require.Equal(t, LEDs{Caps: true}, l.is)
	for range 3 {
		k.Key(Event{LeftShift, true})
		k.Key(Event{letter('b'), true})
	}
	k.Key(Event{LeftShift, false})
	chord(k, letter('c'), Key1)
	require.Equal(t, "bbbC1", b.out)
}

// Keyboards share modifiers and locks, and one that goes away lets go of its keys.
func TestTwoKeyboards(t *testing.T) {
	b, l, m := newBoard("us"), lamp{}, lamp{}
	one := b.Attach(l.light)
	two := b.Attach(m.light)
	one.Key(Event{LeftShift, true})
	two.Key(Event{LeftShift, true})
	chord(two, letter('a'), KeyCapsLock)
	require.Equal(t, LEDs{Caps: true}, l.is)
	require.Equal(t, LEDs{Caps: true}, m.is)
	two.Detach()
	chord(one, letter('b'))
	one.ReleaseAll()
	chord(one, letter('c'))
	one.Key(Event{LeftShift, false}) // late
	chord(one, letter('d'))
	require.Equal(t, "AbCD", b.out)
	chord(one, KeyCapsLock)
	require.Equal(t, LEDs{Caps: true}, m.is, "no longer told")
	b.Attach(m.light)
	require.Equal(t, LEDs{}, m.is)
}

func TestRestart(t *testing.T) {
	for _, keys := range [][]Key{{LeftControl, LeftAlt, KeyDelete}, {RightControl, RightAlt, PadDot}} {
		b := newBoard("de")
		k := b.Attach(func(LEDs) {})
		chord(k, keys[0], keys[2])
		chord(k, keys[1], keys[2])
		require.Zero(t, b.restarts)
		chord(k, keys...)
		require.Equal(t, 1, b.restarts)
	}
}

// Each layout has each printable character of ASCII.
func TestLayoutsHaveASCII(t *testing.T) {
	for _, name := range Names() {
		have := map[rune]bool{}
		for _, x := range Find(name).levels {
			for _, r := range x {
				have[r] = true
			}
		}
		for r := ' '; r <= '~'; r++ {
			require.True(t, have[r], "%s: %q", name, r)
		}
	}
	require.Nil(t, Find("fr"))
}
