package keymap

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// decodeAll returns the events of bytes.
func decodeAll(d *Decoder, bytes ...byte) (list []Event) {
	for _, b := range bytes {
		if e, ok := d.Add(b); ok {
			list = append(list, e)
		}
	}
	return list
}

// press is a key that goes down and up.
func press(k Key) []Event { return []Event{{k, true}, {k, false}} }

// The two sets have the same keys, each once: what a controller makes of set 2 is set 1.
func TestSetsHaveTheSameKeys(t *testing.T) {
	count := func(tables ...[]Key) map[Key]int {
		m := map[Key]int{}
		for _, table := range tables {
			for _, k := range table {
				if k != KeyNone {
					m[k]++
				}
			}
		}
		return m
	}
	one := count(set1[:], set1Extended[:])
	two := count(set2[:], set2Extended[:])
	require.Equal(t, one, two)
	for k := KeyA; k <= KeyMenu; k++ {
		if k == KeyHash { // has the scancode of KeyBackslash
			continue
		}
		want := 1
		if k == KeyPrint { // with Alt it has a code of its own
			want = 2
		}
		require.Equal(t, want, one[k], "key %#x", k)
	}
	for k := LeftControl; k <= RightGUI; k++ {
		require.Equal(t, 1, one[k], "key %#x", k)
	}
}

// The translation of the 8042, for the codes that the tables have: a table of its own,
// from the PS/2 Technical Reference, "Scan Code Translation".
func TestTranslation(t *testing.T) {
	translate := map[byte]byte{
		0x76: 0x01, 0x16: 0x02, 0x45: 0x0b, 0x66: 0x0e, 0x0d: 0x0f, 0x15: 0x10, 0x5a: 0x1c, 0x14: 0x1d, 0x1c: 0x1e,
		0x12: 0x2a, 0x5d: 0x2b, 0x1a: 0x2c, 0x59: 0x36, 0x7c: 0x37, 0x11: 0x38, 0x29: 0x39, 0x58: 0x3a, 0x05: 0x3b,
		0x83: 0x41, 0x09: 0x44, 0x77: 0x45, 0x7e: 0x46, 0x6c: 0x47, 0x71: 0x53, 0x61: 0x56, 0x78: 0x57, 0x07: 0x58,
		0x84: 0x54, 0x33: 0x23, 0x4a: 0x35,
	}
	for two, one := range translate {
		require.Equal(t, set1[one], set2[two], "%#x", two)
		require.NotEqual(t, KeyNone, set2[two], "%#x", two)
		require.Equal(t, set1Extended[one], set2Extended[two], "0xe0 %#x", two)
	}
}

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		set2  bool
		bytes []byte
		want  []Event
	}{
		"a letter":                {false, []byte{0x1e, 0x9e}, press(letter('a'))},
		"a letter, set 2":         {true, []byte{0x1c, 0xf0, 0x1c}, press(letter('a'))},
		"extended":                {false, []byte{0xe0, 0x48, 0xe0, 0xc8}, press(KeyUp)},
		"extended, set 2":         {true, []byte{0xe0, 0x75, 0xe0, 0xf0, 0x75}, press(KeyUp)},
		"pad":                     {false, []byte{0x48, 0xc8}, press(Pad1 + 7)},
		"pad, set 2":              {true, []byte{0x75, 0xf0, 0x75}, press(Pad1 + 7)},
		"Delete within shifts":    {false, []byte{0xe0, 0x2a, 0xe0, 0x53, 0xe0, 0xd3, 0xe0, 0xaa}, press(KeyDelete)},
		"the same, set 2":         {true, []byte{0xe0, 0x12, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xe0, 0xf0, 0x12}, press(KeyDelete)},
		"Pause":                   {false, []byte{0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e}, []Event{{KeyPause, true}, {letter('a'), true}}},
		"Pause, set 2":            {true, []byte{0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77, 0x1c}, []Event{{KeyPause, true}, {letter('a'), true}}},
		"unknown":                 {false, []byte{0x7f, 0xff, 0xe0, 0x7f, 0x1e}, []Event{{letter('a'), true}}},
		"unknown, set 2":          {true, []byte{0x8f, 0xf0, 0x8f, 0xe0, 0xff, 0x1c}, []Event{{letter('a'), true}}},
		"F7 is beyond 0x7f":       {true, []byte{0x83, 0xf0, 0x83}, press(KeyF1 + 6)},
		"prefix does not outlive": {true, []byte{0xf0, 0xe0, 0x75, 0x75}, []Event{{KeyUp, false}, {Pad1 + 7, true}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, decodeAll(&Decoder{Set2: tc.set2}, tc.bytes...))
		})
	}
}

// 0xaa is a new keyboard, or the end of left Shift.
func TestFresh(t *testing.T) {
	d := &Decoder{}
	require.True(t, d.Fresh())
	decodeAll(d, 0x2a)
	require.False(t, d.Fresh())
	decodeAll(d, 0xaa)
	require.True(t, d.Fresh())
	decodeAll(d, 0xe0)
	require.False(t, d.Fresh(), "0xe0 0xaa is a shift around a key")
	require.True(t, (&Decoder{Set2: true, shift: true}).Fresh())
}

// No bytes make the decoder panic or stay in Pause.
func FuzzDecode(f *testing.F) {
	f.Add(false, []byte{0xe1, 0xe0, 0xaa})
	f.Fuzz(func(t *testing.T, set2 bool, bytes []byte) {
		d := &Decoder{Set2: set2}
		decodeAll(d, bytes...)
		decodeAll(d, slices.Repeat([]byte{0x01}, 8)...)
		require.Zero(t, d.skip)
	})
}
