package picture

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

// A PNG file has the picture's pixels, and a palette if there are few colours.
func TestPNG(t *testing.T) {
	for name, tc := range map[string]struct {
		at       func(x, y int) uint32
		paletted bool
	}{
		"two colours":  {func(x, y int) uint32 { return uint32(x&y&1) * 0x123456 }, true},
		"257 colours":  {func(x, y int) uint32 { return uint32(min(x+y*40, 256)) << 8 }, false},
		"a single one": {func(x, y int) uint32 { return 0xffffff }, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := Picture{40, 30, tc.at}
			var b bytes.Buffer
			require.NoError(t, p.WritePNG(&b))
			m, err := png.Decode(&b)
			require.NoError(t, err)
			_, paletted := m.(*image.Paletted)
			require.Equal(t, tc.paletted, paletted)
			require.Equal(t, image.Rect(0, 0, 40, 30), m.Bounds())
			for y := range 30 {
				for x := range 40 {
					r, g, b, _ := m.At(x, y).RGBA()
					require.Equal(t, tc.at(x, y), r>>8<<16|g>>8<<8|b>>8)
				}
			}
		})
	}
}
