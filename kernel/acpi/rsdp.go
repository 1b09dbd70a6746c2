package acpi

import "bytes"

// RSDP is the root pointer ("Root System Description Pointer").
type RSDP struct {
	Addr     uint64 // where it was found, 0 for a copy from the loader
	OEMID    string
	Revision uint8
	RSDT     uint32 // physical address, 0 if none
	XSDT     uint64 // physical address, 0 if none or before revision 2
}

// Sizes and search areas ("Finding the RSDP on IA-PC Systems").
const (
	rsdpLength1 = 20
	rsdpLength2 = 36

	ebdaPointer = 0x40e // segment of the extended BIOS data area
	ebdaSearch  = 1 << 10
	biosStart   = 0xe0000
	biosEnd     = 0x100000
)

var rsdpSignature = []byte("RSD PTR ")

// ParseRSDP decodes a root pointer. Revision 2 and later have a second part, and a
// checksum over both.
func ParseRSDP(b []byte, addr uint64) (RSDP, error) {
	if len(b) < rsdpLength1 {
		return RSDP{}, &TableError{"RSDP", len(b), ErrShort}
	}
	if !bytes.Equal(b[:8], rsdpSignature) {
		return RSDP{}, &TableError{"RSDP", 0, ErrSignature}
	}
	if sum(b[:rsdpLength1]) != 0 {
		return RSDP{}, &TableError{"RSDP", 8, ErrChecksum}
	}
	r := RSDP{Addr: addr, OEMID: text(b[9:15]), Revision: b[15], RSDT: u32(b[16:])}
	if r.Revision < 2 {
		return r, nil
	}
	switch n := int(extent(b)); {
	case len(b) < rsdpLength2 || n < rsdpLength2 || n > len(b):
		return RSDP{}, &TableError{"RSDP", 20, ErrLength}
	case sum(b[:n]) != 0:
		return RSDP{}, &TableError{"RSDP", 32, ErrChecksum}
	}
	r.XSDT = u64(b[24:])
	return r, nil
}

// extent returns the length field of a revision 2 root pointer.
func extent(b []byte) uint32 {
	if len(b) < 24 {
		return 0
	}
	return u32(b[20:])
}

// FindRSDP returns the root pointer: from the loader's copy, else from the loader's
// address, else by a search on 16-byte boundaries, first in the first KiB of the
// extended BIOS data area, then below 1 MiB.
func FindRSDP(mem Memory, addr uint64, copied []byte) (RSDP, error) {
	if len(copied) > 0 {
		return ParseRSDP(copied, 0)
	}
	if addr != 0 {
		b, err := mem(addr, rsdpLength2)
		if err != nil {
			b, err = mem(addr, rsdpLength1)
		}
		if err != nil {
			return RSDP{}, &TableError{"RSDP", 0, ErrRead}
		}
		return ParseRSDP(b, addr)
	}
	if b, err := mem(ebdaPointer, 2); err == nil && len(b) >= 2 {
		if at := uint64(u16(b)) << 4; at >= 0x400 && at < 0xa0000 {
			if r, ok := searchRSDP(mem, at, ebdaSearch); ok {
				return r, nil
			}
		}
	}
	if r, ok := searchRSDP(mem, biosStart, biosEnd-biosStart); ok {
		return r, nil
	}
	return RSDP{}, &TableError{"RSDP", 0, ErrMissing}
}

func searchRSDP(mem Memory, from uint64, n int) (RSDP, bool) {
	area, err := mem(from, n)
	if err != nil {
		return RSDP{}, false
	}
	for off := 0; off+rsdpLength1 <= len(area); off += 16 {
		if !bytes.Equal(area[off:off+8], rsdpSignature) {
			continue
		}
		if r, err := ParseRSDP(area[off:], from+uint64(off)); err == nil {
			return r, true
		}
	}
	return RSDP{}, false
}

// text returns the bytes before the first zero, without the spaces at its end.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(bytes.TrimRight(b, " "))
}
