package picture

import (
	"cmp"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
)

// WritePNG writes a picture as a PNG file with a palette, the most usual colour first. A
// picture of more than 256 colours has none.
func (p *Picture) WritePNG(w io.Writer) error {
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	colors := p.colors()
	bounds := image.Rect(0, 0, p.Width, p.Height)
	if len(colors) > 256 {
		m := image.NewRGBA(bounds)
		for y := range p.Height {
			for x := range p.Width {
				m.Set(x, y, rgb(p.At(x, y)))
			}
		}
		return enc.Encode(w, m)
	}
	m := image.NewPaletted(bounds, nil)
	index := map[uint32]uint8{}
	for i, v := range colors {
		m.Palette = append(m.Palette, rgb(v))
		index[v] = uint8(i)
	}
	for y := range p.Height {
		for x := range p.Width {
			m.SetColorIndex(x, y, index[p.At(x, y)])
		}
	}
	return enc.Encode(w, m)
}

// colors returns the colours of a picture, the most usual first.
func (p *Picture) colors() (list []uint32) {
	count := map[uint32]int{}
	for y := range p.Height {
		for x := range p.Width {
			count[p.At(x, y)]++
		}
	}
	for v := range count {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	return list
}

func rgb(v uint32) color.RGBA { return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255} }
