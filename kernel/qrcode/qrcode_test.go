package qrcode

import (
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"
)

// read returns the text of a code, by a decoder of other authors.
func read(t *testing.T, white func(x, y int) bool, width, height int) string {
	t.Helper()
	const scale = 4
	img := image.NewGray(image.Rect(0, 0, width*scale, height*scale))
	for y := range height * scale {
		for x := range width * scale {
			if white(x/scale, y/scale) {
				img.SetGray(x, y, color.Gray{255})
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	require.NoError(t, err)
	// The picture has nothing but the code: the search for one in a picture misses some.
	r, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	require.NoError(t, err)
	return r.GetText()
}

func TestCode(t *testing.T) {
	m, err := New(ForScreen)
	require.NoError(t, err)
	for _, n := range []int{0, 1, 100, m.room} {
		text := strings.Repeat("muster: PANIC on cpu1, [rsp+0x148] <runtime.panicdivide>\n", 100)[:n]
		bits, size, stride := m.Code(2, 7, []byte(text))
		require.Equal(t, 97, size)
		got := read(t, func(x, y int) bool {
			x, y = x-Margin, y-Margin
			return x < 0 || y < 0 || x >= size || y >= size || bits[y*stride+x/8]>>(7-x%8)&1 == 0
		}, size+2*Margin, size+2*Margin)
		require.Equal(t, "Muster, part 2 of 7\n"+text, got)
	}
	_, size, _ := m.Code(maxParts, maxParts, make([]byte, m.room))
	require.Equal(t, 97, size, "the longest title")
	_, size, _ = m.Code(1, 1, make([]byte, m.room+maxTitle))
	require.Zero(t, size)
}

// What a terminal shows decodes to the text.
func TestBlocks(t *testing.T) {
	for _, n := range []int{0, 10, 403, 404, 2000} {
		text := strings.Repeat("memory map: 0x100000 to 0xfffffff\n", 100)[:n]
		codes, err := Blocks(text)
		require.NoError(t, err)
		got := ""
		for i, c := range codes {
			var rows [][]rune
			for line := range strings.Lines(c) {
				rows = append(rows, []rune(strings.TrimSuffix(line, "\n")))
			}
			require.Less(t, len(rows[0]), 80)
			part := read(t, func(x, y int) bool {
				r := rows[y/2][x]
				return r == '█' || r == '▀' && y%2 == 0 || r == '▄' && y%2 == 1
			}, len(rows[0]), len(rows[0])) // the last half row is the terminal's ground
			title := Title(i+1, len(codes))
			require.True(t, strings.HasPrefix(part, title), part)
			got += strings.TrimPrefix(part, title)
		}
		require.Equal(t, text, got)
	}
	m, err := New(ForTerminal)
	require.NoError(t, err)
	_, err = Blocks(strings.Repeat("x", maxParts*m.room+1))
	require.ErrorIs(t, err, ErrTooLong)
}
