package usb

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/keymap"
)

// keyboardConfig is the configuration of a keyboard with a second interface, as some have it.
var keyboardConfig = []byte{
	9, 2, 59, 0, 2, 1, 0, 0xa0, 50,
	9, 4, 0, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, 7, 5, 0x81, 3, 8, 0, 10,
	9, 4, 1, 0, 1, 3, 0, 0, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, 7, 5, 0x82, 3, 16, 0, 4,
}

func TestParseConfiguration(t *testing.T) {
	c, err := ParseConfiguration(keyboardConfig)
	require.NoError(t, err)
	require.Equal(t, uint8(1), c.Value)
	require.Len(t, c.Interfaces, 2)
	require.True(t, c.Interfaces[0].IsKeyboard())
	require.Equal(t, Endpoint{0x81, 3, 8, 10}, c.Interfaces[0].In)
	require.False(t, c.Interfaces[1].IsKeyboard(), "not with the boot protocol")

	_, err = ParseConfiguration(keyboardConfig[:8])
	require.ErrorIs(t, err, ErrDescriptor)
	cut := append([]byte{}, keyboardConfig...)
	cut[9] = 0 // a descriptor without length
	c, err = ParseConfiguration(cut)
	require.NoError(t, err)
	require.Empty(t, c.Interfaces)
}

func FuzzParseConfiguration(f *testing.F) {
	f.Add(keyboardConfig)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfiguration(b)
		if err == nil {
			require.LessOrEqual(t, len(c.Interfaces), len(b)/9)
		}
		ParseDevice(b)
		ParseHub(b)
	})
}

// keys returns the keys of one keyboard, and what they write.
func keys() (k *Keys, out *string) {
	out = new(string)
	b := keymap.NewBoard(keymap.Find("us"))
	b.Out = func(p []byte) { *out += string(p) }
	return NewKeys(b.Attach(func(keymap.LEDs) {})), out
}

func TestReports(t *testing.T) {
	k, out := keys()
	k.Report([]byte{0, 0, 4, 0, 0, 0, 0, 0})    // a
	k.Report([]byte{0, 0, 4, 5, 0, 0, 0, 0})    // and b
	k.Report([]byte{2, 0, 4, 5, 6, 0, 0, 0})    // and Shift-C
	k.Report([]byte{2, 0, 1, 1, 1, 1, 1, 1})    // too many
	k.Report([]byte{2, 0, 6, 5, 0, 0, 0, 0})    // a goes up, b and c stay in another order
	k.Report([]byte{0, 0, 0, 0, 0, 0, 0})       // too short
	k.Report([]byte{0, 0, 0, 0, 0, 0, 0, 0})    // all up
	k.Report([]byte{0, 0, 4, 0, 0, 0, 0, 0, 9}) // a
	k.End()
	require.Equal(t, "abCa", *out)
}

// The last key repeats until it goes up; modifiers go on with it, and its end is its own.
func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, out := keys()
		k.Report([]byte{0, 0, 4, 0, 0, 0, 0, 0})
		pass(repeatFirst + 2*repeatNext + time.Millisecond)
		synctest.Wait()
		require.Equal(t, "aaaa", *out)
		k.Report([]byte{2, 0, 4, 0, 0, 0, 0, 0}) // Shift
		pass(repeatNext)
		synctest.Wait()
		require.Equal(t, "aaaaA", *out)
		k.Report([]byte{0, 0, 4, 5, 0, 0, 0, 0}) // b repeats now
		k.Report([]byte{0, 0, 5, 0, 0, 0, 0, 0}) // a goes up
		pass(repeatFirst + time.Millisecond)
		synctest.Wait()
		require.Equal(t, "aaaaAbb", *out)
		k.Report(make([]byte, 8))
		pass(time.Second)
		require.Equal(t, "aaaaAbb", *out)
		k.Report([]byte{0, 0, 4, 0, 0, 0, 0, 0})
		k.End() // pulled out
		pass(time.Second)
		require.Equal(t, "aaaaAbba", *out)
	})
}
