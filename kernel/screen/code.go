package screen

import "unsafe"

// Sizes of the modules of a QR code, in pixels. A phone's camera does not tell smaller modules
// apart, and for larger ones the user must step back.
const (
	leastModule   = 3
	largestModule = 12
)

// codeMargin is the white border of a code, in modules (ISO/IEC 18004, "Quiet zone").
const codeMargin = 4

// Code draws a QR code over the text in the lower right corner, at most half as wide as the
// screen. The code has rows of stride bytes with a bit for each of size modules, the leftmost
// in the highest bit, 1 for black. It reports false if the screen is too small, or shows
// letters alone. Invalidate and Show bring the text back.
//
// Context: one CPU at a time.
func (s *Screen) Code(bits []byte, size, stride int) (ok bool) {
	whole := size + 2*codeMargin
	width, height := s.cols*FontWidth*s.zoom, s.rows*FontHeight*s.zoom // where Show draws again
	module := min(height/whole, width/2/whole, largestModule)
	if s.mode.Text || module < leastModule || size <= 0 || stride*8 < size || len(bits) < size*stride {
		return false
	}
	left, top := width-whole*module, height-whole*module
	s.fill(left, top, whole*module, whole*module, s.pixels[BrightWhite])
	for y := range size {
		for x := range size {
			if bits[y*stride+x/8]>>(7-x%8)&1 != 0 {
				s.fill(left+(x+codeMargin)*module, top+(y+codeMargin)*module, module, module, s.pixels[Black])
			}
		}
	}
	return true
}

// fill draws a rectangle in one colour.
func (s *Screen) fill(left, top, width, height int, pixel uint32) {
	for y := range height {
		at := s.mode.Base + uintptr((top+y)*s.mode.Pitch+left*s.mode.Bytes)
		for range width {
			if s.mode.Bytes == 4 {
				*(*uint32)(unsafe.Pointer(at)) = pixel
			} else {
				store24(at, pixel)
			}
			at += uintptr(s.mode.Bytes)
		}
	}
}
