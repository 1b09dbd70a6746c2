package screen_test

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/screen"
)

// A code lies in the lower right corner of the text, each module has its pixels, and the text
// comes back without a rest of it.
func TestCode(t *testing.T) {
	const size, stride = 97, 13
	bits := make([]byte, size*stride)
	black := func(x, y int) bool { return (x*7+y*3)%5 < 2 }
	for y := range size {
		for x := range size {
			if black(x, y) {
				bits[y*stride+x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	bgr := screen.Mode{Bytes: 3, Red: screen.Field{Pos: 0, Size: 8}, Green: screen.Field{Pos: 8, Size: 8}, Blue: screen.Field{Pos: 16, Size: 8}}
	for _, tc := range []struct{ width, height, module int }{{1280, 800, 6}, {800, 600, 3}, {645, 487, 3}, {2560, 1600, 12}, {3840, 2160, 12}, {600, 480, 0}, {800, 300, 0}} {
		for _, m := range []screen.Mode{xrgb, bgr} {
			if m.Bytes == 3 && tc.width > 2000 { // the size does not depend on the depth, and reading this many pixels back is slow
				continue
			}
			t.Run(fmt.Sprint(tc, m.Bytes), func(t *testing.T) {
				d := newDevice(m, tc.width, tc.height, tc.width*m.Bytes+5)
				d.write(strings.Repeat(strings.Repeat("text ", 200)+"\n", 60))
				before := d.lines()
				require.Equal(t, tc.module != 0, d.Code(bits, size, stride))
				d.untouched(t)
				if tc.module == 0 {
					require.Equal(t, before, d.lines())
					return
				}
				cols, rows := d.Size()
				z := 1
				if tc.width >= 2560 {
					z = 2
				}
				p, whole := d.picture(), (size+8)*tc.module
				left, top := cols*8*z-whole, rows*16*z-whole
				for y := range whole {
					for x := range whole {
						want := uint32(0xffffff)
						if a, b := x/tc.module-4, y/tc.module-4; a >= 0 && b >= 0 && a < size && b < size && black(a, b) {
							want = 0
						}
						if p.At(left+x, top+y) != want {
							t.Fatalf("pixel %d, %d of the code is %06x", x, y, p.At(left+x, top+y))
						}
					}
				}
				d.Invalidate()
				require.Equal(t, before, d.lines())
				d.untouched(t)
			})
		}
	}
	d := newDevice(xrgb, 1280, 800, 1280*4)
	require.False(t, d.Code(bits, 0, stride))
	require.False(t, d.Code(bits[1:], size, stride))
	require.False(t, d.Code(bits, size, 12))

	cells := make([]uint16, screen.TextCols*screen.TextRows)
	memory := make([]uint64, screen.TextCols*screen.TextRows)
	var s screen.Screen
	s.Init(screen.TextMode(uintptr(unsafe.Pointer(&cells[0]))), uintptr(unsafe.Pointer(&memory[0])))
	require.False(t, s.Code(bits, size, stride), "letters alone")
}
