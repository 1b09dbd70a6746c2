package boot

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

// framebufferTag makes the tag of a framebuffer.
func framebufferTag(f abi.Framebuffer) []byte {
	b := words(uint32(f.Address), uint32(f.Address>>32), f.Pitch, f.Width, f.Height)
	return tag(tagFramebuffer, append(b, f.BitsPerPixel, f.Kind, 0, 0, f.RedPos, f.RedSize, f.GreenPos, f.GreenSize, f.BluePos, f.BlueSize))
}

func TestFramebuffer(t *testing.T) {
	good := abi.Framebuffer{Address: 0xfd000000, Pitch: 4096, Width: 1024, Height: 768, BitsPerPixel: 32, Kind: framebufferRGB,
		RedPos: 16, RedSize: 8, GreenPos: 8, GreenSize: 8, BluePos: 0, BlueSize: 8}
	text := abi.Framebuffer{Address: 0xb8000, Pitch: 160, Width: 80, Height: 25, BitsPerPixel: 16, Kind: framebufferText}
	with := func(f abi.Framebuffer, change func(*abi.Framebuffer)) abi.Framebuffer { change(&f); return f }
	for name, tc := range map[string]struct {
		f   abi.Framebuffer
		bad string
	}{
		"32 bits":           {f: good},
		"24 bits, BGR":      {f: with(good, func(f *abi.Framebuffer) { f.BitsPerPixel, f.RedPos, f.BluePos = 24, 0, 16 })},
		"pitch of any size": {f: with(good, func(f *abi.Framebuffer) { f.Pitch = 4097 })},
		"above 4 GiB":       {f: with(good, func(f *abi.Framebuffer) { f.Address = 0x380000000000 })},
		"largest":           {f: with(good, func(f *abi.Framebuffer) { f.Width, f.Height, f.Pitch, f.Address = 1<<15, 1<<12, 1<<17, 1<<40 })},
		"text":              {f: text},

		"indexed":        {with(good, func(f *abi.Framebuffer) { f.Kind = 0 }), "neither RGB pixels nor text"},
		"unknown kind":   {with(good, func(f *abi.Framebuffer) { f.Kind = 3 }), "neither RGB pixels nor text"},
		"16 bits":        {with(good, func(f *abi.Framebuffer) { f.BitsPerPixel = 16 }), "neither 24 nor 32 bits for a pixel"},
		"30 bits":        {with(good, func(f *abi.Framebuffer) { f.BitsPerPixel = 30 }), "neither 24 nor 32 bits for a pixel"},
		"narrow":         {with(good, func(f *abi.Framebuffer) { f.Width = 319 }), "smaller than 320x200 pixels"},
		"no lines":       {with(good, func(f *abi.Framebuffer) { f.Height = 0 }), "smaller than 320x200 pixels"},
		"wide":           {with(good, func(f *abi.Framebuffer) { f.Width, f.Pitch = 1<<15+1, 1<<18 }), "larger than 32768 pixels in one direction"},
		"width wraps":    {with(good, func(f *abi.Framebuffer) { f.Width = 1 << 30 }), "larger than 32768 pixels in one direction"},
		"pitch short":    {with(good, func(f *abi.Framebuffer) { f.Pitch = 4095 }), "lines overlap"},
		"no pitch":       {with(good, func(f *abi.Framebuffer) { f.Pitch = 0 }), "lines overlap"},
		"pitch long":     {with(good, func(f *abi.Framebuffer) { f.Pitch = 1<<18 + 1 }), "more than 262144 bytes from line to line"},
		"too many lines": {with(good, func(f *abi.Framebuffer) { f.Width, f.Height, f.Pitch = 1<<15, 1<<12+1, 1<<17 }), "more than 512 MiB"},
		"in RAM":         {with(good, func(f *abi.Framebuffer) { f.Address = 0x7000000 }), "its memory is RAM"},
		"end in RAM":     {with(good, func(f *abi.Framebuffer) { f.Address, f.Height = 0x1000, 256 }), "its memory is RAM"},
		"start in RAM":   {with(good, func(f *abi.Framebuffer) { f.Address = 0x100000 + 0x7ee0000 - 1 }), "its memory is RAM"},
		"beside RAM":     {f: with(good, func(f *abi.Framebuffer) { f.Address = 0x100000 + 0x7ee0000 })},
		"no address":     {with(good, func(f *abi.Framebuffer) { f.Address = 0 }), "no such address"},
		"address wraps":  {with(good, func(f *abi.Framebuffer) { f.Address = 1<<64 - 4096 }), "no such address"},
		"beyond 2^52":    {with(good, func(f *abi.Framebuffer) { f.Address = 1<<52 - 4096*768 + 1 }), "no such address"},
		"field too high": {with(good, func(f *abi.Framebuffer) { f.BluePos = 25 }), "a colour lies outside the pixel"},
		"field wraps":    {with(good, func(f *abi.Framebuffer) { f.RedPos = 255 }), "a colour lies outside the pixel"},
		"field too wide": {with(good, func(f *abi.Framebuffer) { f.GreenSize = 9 }), "a colour lies outside the pixel"},
		"field empty":    {with(good, func(f *abi.Framebuffer) { f.GreenSize = 0 }), "a colour lies outside the pixel"},
		"text of 132":    {with(text, func(f *abi.Framebuffer) { f.Width = 132 }), "a text mode, but not of 80x25 cells"},
		"text elsewhere": {with(text, func(f *abi.Framebuffer) { f.Address = 0xb0000 }), "a text mode, but not at 0xb8000"},
	} {
		t.Run(name, func(t *testing.T) {
			var in Info
			require.Equal(t, OK, Parse(&in, multibootMagic, 0x10000, multiboot(framebufferTag(tc.f), ramTag).read))
			require.Equal(t, tc.bad, in.BadScreen)
			if tc.bad == "" {
				require.Equal(t, tc.f, in.Framebuffer)
			} else {
				require.Zero(t, in.Framebuffer, "the rest of the information is used all the same")
			}
		})
	}
	for _, n := range []int{0, 8, 21, 24, 29} {
		var in Info
		cut := framebufferTag(good)[:8+n]
		le.PutUint32(cut[4:], uint32(len(cut)))
		for len(cut)%8 != 0 {
			cut = append(cut, 0)
		}
		require.Equal(t, OK, Parse(&in, multibootMagic, 0x10000, multiboot(cut, ramTag).read))
		require.Equal(t, "the loader's information is cut short", in.BadScreen, "%d bytes", n)
		require.Zero(t, in.Framebuffer)
	}
}

// What is accepted can be drawn to.
func FuzzFramebuffer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 16, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 32, 1, 0, 0, 16, 8, 8, 8, 0, 8})
	f.Fuzz(func(t *testing.T, body []byte) {
		var in Info
		in.framebuffer(body)
		b := in.Framebuffer
		if in.BadScreen != "" {
			require.Zero(t, b)
			return
		}
		if b.Kind == framebufferText {
			require.Equal(t, abi.Framebuffer{Address: 0xb8000, Pitch: 160, Width: 80, Height: 25, BitsPerPixel: b.BitsPerPixel, Kind: 2}, b)
			return
		}
		require.LessOrEqual(t, uint64(b.Width)*uint64(b.BitsPerPixel)/8, uint64(b.Pitch))
		require.LessOrEqual(t, b.Address+uint64(b.Pitch)*uint64(b.Height), uint64(1<<52))
		require.NotZero(t, b.Address)
		for _, x := range [][2]uint8{{b.RedPos, b.RedSize}, {b.GreenPos, b.GreenSize}, {b.BluePos, b.BlueSize}} {
			require.LessOrEqual(t, uint(x[0])+uint(x[1]), uint(b.BitsPerPixel))
		}
	})
}
