package setting

// Base returns the address in a word's value such as 0x2f8/3, in hexadecimal after 0x, or else
// in decimal; 0 if there is none. Package options checks the value and reports a bad one.
func Base(value []byte) uint16 {
	base, v := uint64(10), uint64(0)
	if len(value) > 2 && value[0] == '0' && value[1]|0x20 == 'x' {
		base, value = 16, value[2:]
	}
	for _, b := range value {
		d := uint64(255)
		switch {
		case b == '/':
			return uint16(v)
		case b >= '0' && b <= '9':
			d = uint64(b - '0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			d = uint64(b|0x20-'a') + 10
		}
		if v = v*base + d; d >= base || v > 0xffff {
			return 0
		}
	}
	return 0 // without an interrupt
}
