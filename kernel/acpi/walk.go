package acpi

// sizes has the smallest length of the entry types that are decoded, 0 for others.
type sizes [20]uint8

func (s *sizes) of(kind uint8) int {
	if int(kind) < len(s) {
		return int(s[kind])
	}
	return 0
}

// walk visits the entries of a list in table b from off on: each begins with its
// type and its length. It stops at the first malformed entry, and says where. An
// entry may be longer than its type needs.
func walk(name string, b []byte, off int, least *sizes, visit func(off int, kind uint8, e []byte)) error {
	for off < len(b) {
		if len(b)-off < 2 {
			return &TableError{name, off, ErrShort}
		}
		kind, n := b[off], int(b[off+1])
		if n < 2 || n > len(b)-off || n < least.of(kind) {
			return &TableError{name, off, ErrLength}
		}
		visit(off, kind, b[off:off+n])
		off += n
	}
	return nil
}

// room returns an empty list with room for n elements, in one allocation.
func room[T any](n int) []T { return make([]T, 0, n) }

// body returns the bytes of a table that must have a signature and at least n bytes.
func body(t Table, sig string, n int) ([]byte, error) {
	if t.Table == nil {
		return nil, &TableError{sig, 0, ErrMissing}
	}
	b := t.Data()
	switch {
	case string(b[:4]) != sig: // NewTable has checked the header's length
		return nil, &TableError{sig, 0, ErrSignature}
	case len(b) < n:
		return nil, &TableError{sig, len(b), ErrShort}
	}
	return b, nil
}
