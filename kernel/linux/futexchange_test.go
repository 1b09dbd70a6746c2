package linux

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What FUTEX_WAKE_OP does to a word, and which old values compare well, by the encoding of the manual page futex(2).
func TestWordChange(t *testing.T) {
	op := func(op, arg, cmp, against uint32) uint32 {
		return op<<28 | cmp<<24 | arg&0xfff<<12 | against&0xfff
	}
	minus := func(n int32) uint32 { return uint32(-n) }
	for _, x := range []struct {
		name     string
		code     uint32
		old, new uint32
		wakes    bool
	}{
		{"set, equal", op(0, 7, 0, 5), 5, 7, true},
		{"set, not equal", op(0, 7, 0, 5), 6, 7, false},
		{"add, other than", op(1, 3, 1, 5), 6, 9, true},
		{"add a negative number", op(1, minus(1), 2, 0), minus(3), minus(4), true},
		{"or, less", op(2, 0x30, 2, 4), 4, 0x34, false},
		{"and not, at most", op(3, 0xf, 3, 0x1f), 0x1f, 0x10, true},
		{"xor, at most", op(4, minus(1), 3, minus(1)), 0, ^uint32(0), false},
		{"set a bit, more", op(8, 31, 4, minus(2048)), 0, 1 << 31, true},
		{"set a bit, the number modulo 32", op(8|2, 33, 4, 2047), 2047, 2047 | 2, false},
		{"set, at least", op(0, 1, 5, 5), 5, 1, true},
	} {
		w := changeOf(x.code)
		require.Equal(t, x.new, w.of(x.old), x.name)
		require.Equal(t, x.wakes, w.holds(int32(x.old)), x.name)
	}
	require.GreaterOrEqual(t, changeOf(op(5, 0, 0, 0)).op, uint32(changes))
	require.GreaterOrEqual(t, changeOf(op(0, 0, 6, 0)).compare, uint32(compares))
}
