package boot

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/screen"
)

// The tag of a framebuffer (Multiboot2 Specification 2.0, "Framebuffer info").
const (
	framebufferRGB  = screen.KindPixels
	framebufferText = screen.KindText

	framebufferHeader = 24 // bytes up to the part that depends on the kind
	framebufferFields = 6
)

// Values for paint, in assembly: offsets in the tag and in the font.
const (
	fbAddress  = tagHeader
	fbHigh     = tagHeader + 4
	fbPitch    = tagHeader + 8
	fbWidth    = tagHeader + 12
	fbBits     = tagHeader + 20
	fbKind     = tagHeader + 21
	glyphBytes = unsafe.Sizeof(screen.Glyph{})
	glyphRows  = unsafe.Offsetof(screen.Glyph{}.Rows)
)

// Limits of a framebuffer. No device comes near the upper ones, which bound the memory that
// is mapped; below the lower ones not even a short line of text fits.
const (
	minWidth   = 320
	minHeight  = 200
	maxPixels  = 1 << 15 // in either direction
	maxPitch   = 1 << 18
	maxBytes   = 512 << 20
	maxAddress = 1 << 52
	textWidth  = screen.TextCols
	textHeight = screen.TextRows
)

// framebuffer reads the body of the tag, and refuses what the kernel cannot draw to.
func (in *Info) framebuffer(b []byte) {
	in.Framebuffer, in.BadScreen = abi.Framebuffer{}, ""
	if len(b) < framebufferHeader-2 { // loaders may leave out the two reserved bytes
		in.BadScreen = "the loader's information is cut short"
		return
	}
	f := abi.Framebuffer{Address: number(b, 8), Pitch: u32(b[8:]), Width: u32(b[12:]), Height: u32(b[16:]), BitsPerPixel: b[20], Kind: b[21]}
	if f.Kind == framebufferRGB {
		if len(b) < framebufferHeader+framebufferFields {
			in.BadScreen = "the loader's information is cut short"
			return
		}
		f.RedPos, f.RedSize = b[24], b[25]
		f.GreenPos, f.GreenSize = b[26], b[27]
		f.BluePos, f.BlueSize = b[28], b[29]
	}
	if in.BadScreen = badScreen(&f); in.BadScreen == "" {
		in.Framebuffer = f
	}
}

// badScreen says why the kernel cannot draw to a framebuffer; "" says that it can.
func badScreen(f *abi.Framebuffer) string {
	bytes := uint32(f.BitsPerPixel) / 8
	switch {
	case f.Kind == framebufferText:
		if f.Width != textWidth || f.Height != textHeight || f.Pitch != textWidth*2 {
			return "a text mode, but not of 80x25 cells"
		}
		if f.Address != screen.TextAddress {
			return "a text mode, but not at 0xb8000"
		}
		return ""
	case f.Kind != framebufferRGB:
		return "neither RGB pixels nor text"
	case f.BitsPerPixel != 24 && f.BitsPerPixel != 32:
		return "neither 24 nor 32 bits for a pixel"
	case f.Width < minWidth || f.Height < minHeight:
		return "smaller than 320x200 pixels"
	case f.Width > maxPixels || f.Height > maxPixels:
		return "larger than 32768 pixels in one direction"
	case f.Pitch < f.Width*bytes:
		return "lines overlap"
	case f.Pitch > maxPitch:
		return "more than 262144 bytes from line to line"
	case uint64(f.Pitch)*uint64(f.Height) > maxBytes:
		return "more than 512 MiB"
	case f.Address == 0 || f.Address > maxAddress-uint64(f.Pitch)*uint64(f.Height):
		return "no such address"
	case !field(f.RedPos, f.RedSize, f) || !field(f.GreenPos, f.GreenSize, f) || !field(f.BluePos, f.BlueSize, f):
		return "a colour lies outside the pixel"
	}
	return ""
}

// inRAM reports whether a part of n bytes is RAM, by the firmware's map.
func (in *Info) inRAM(addr, n uint64) bool {
	for i := range in.Regions() {
		if r := in.Region(i); r.Type == abi.RegionRAM && r.Length > 0 && r.Start < addr+n && addr <= r.Start+r.Length-1 {
			return true
		}
	}
	return false
}

// field reports whether a colour has 1 to 8 bits, and lies in the pixel.
func field(pos, size uint8, f *abi.Framebuffer) bool {
	return size >= 1 && size <= 8 && int(pos)+int(size) <= int(f.BitsPerPixel)
}
