package screen

//go:generate go run muster/tools/genfont -o font_gen.go

// glyphOf returns the glyph of a rune, or the replacement's.
func glyphOf(r rune) *Glyph {
	if r >= ' ' && r <= '~' {
		return &Font[r-' ']
	}
	if g := search(r); g != nil {
		return g
	}
	return search(Replacement)
}

// search returns the glyph of a rune, nil if there is none.
func search(r rune) *Glyph {
	low, high := 0, len(Font)
	for low < high {
		if mid := (low + high) / 2; Font[mid].Rune < r {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(Font) || Font[low].Rune != r {
		return nil
	}
	return &Font[low]
}
