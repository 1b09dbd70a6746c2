package acpi

import "bytes"

// Sleep is a \_Sx package: what to write to the SLP_TYP fields of the PM1 control
// registers ("\_Sx (System States)").
type Sleep struct {
	TypeA uint8 `json:"slp_typ_a"`
	TypeB uint8 `json:"slp_typ_b"`
}

// AML encodings that a \_S5 package is made of ("AML Byte Stream Byte Values").
const (
	amlName    = 0x08
	amlRoot    = '\\'
	amlPackage = 0x12
	amlZero    = 0x00
	amlOne     = 0x01
	amlByte    = 0x0a
	amlWord    = 0x0b
	amlDword   = 0x0c
	amlOnes    = 0xff
)

var s5Name = []byte("_S5_")

// FindS5 looks for the package \_S5 in the AML of a DSDT or SSDT, without
// interpreting the AML: Name (_S5, Package {a, b, ...}) is the only form that
// firmware uses. Text that only looks like the name is skipped.
func FindS5(t Table) (Sleep, error) {
	if t.Table == nil {
		return Sleep{}, &TableError{"DSDT", 0, ErrMissing}
	}
	b := t.Data()
	for off := headerLength; ; {
		i := bytes.Index(b[off:], s5Name)
		if i < 0 {
			return Sleep{}, &TableError{t.Sig(), len(b), ErrMissing}
		}
		at := off + i
		off = at + len(s5Name)
		if !named(b, at) {
			continue
		}
		if s, ok := sleepPackage(b[off:]); ok {
			return s, nil
		}
	}
}

// named reports whether the bytes before a name make it the name of an object.
func named(b []byte, at int) bool {
	if b[at-1] == amlRoot {
		at--
	}
	return b[at-1] == amlName
}

// sleepPackage reads the first two numbers of a package.
func sleepPackage(b []byte) (s Sleep, ok bool) {
	if len(b) < 3 || b[0] != amlPackage {
		return s, false
	}
	// The package's length has 1 to 4 bytes; the top two bits of the first say how many follow.
	rest := b[1:]
	if n := 1 + int(rest[0]>>6); len(rest) > n {
		rest = rest[n:]
	} else {
		return s, false
	}
	elements := rest[0]
	rest = rest[1:]
	if elements == 0 {
		return s, false
	}
	a, rest, ok := amlInteger(rest)
	if !ok {
		return s, false
	}
	s.TypeA = uint8(a & 7)
	if elements > 1 {
		if v, _, ok := amlInteger(rest); ok {
			s.TypeB = uint8(v & 7)
		}
	}
	return s, true
}

// amlInteger reads one integer constant.
func amlInteger(b []byte) (v uint32, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	n := 0
	switch b[0] {
	case amlZero:
		return 0, b[1:], true
	case amlOne:
		return 1, b[1:], true
	case amlOnes:
		return ^uint32(0), b[1:], true
	case amlByte:
		n = 1
	case amlWord:
		n = 2
	case amlDword:
		n = 4
	default:
		return 0, nil, false
	}
	if len(b) < 1+n {
		return 0, nil, false
	}
	for i := n; i > 0; i-- {
		v = v<<8 | uint32(b[i])
	}
	return v, b[1+n:], true
}
