// Package acpi reads the firmware's tables: bytes in, values or errors out. It
// never panics on any input, and takes time and memory linear in the input's size.
//
// The generic layer, a table with its header, is that of u-root's package acpi;
// the bodies are decoded here.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Manual: ACPI Specification 6.5, chapter "ACPI Software Programming Model".
// Chapter: docs/07-acpi.md.
// Left out: AML.
package acpi

import (
	"bytes"
	"errors"
	"fmt"

	uacpi "github.com/u-root/u-root/pkg/acpi"
)

// Errors that a TableError wraps.
var (
	ErrShort     = errors.New("table too short")
	ErrLength    = errors.New("length field out of range")
	ErrChecksum  = errors.New("checksum wrong")
	ErrSignature = errors.New("signature is not the expected one")
	ErrRead      = errors.New("memory cannot be read")
	ErrMissing   = errors.New("not found")
	ErrNested    = errors.New("a root table within a root table")
	ErrValue     = errors.New("value has no meaning")
)

// TableError says where a firmware table is malformed.
// It reads: acpi: APIC+0x2c: length field out of range
type TableError struct {
	Table  string // signature, "APIC" for the MADT
	Offset int    // bytes from the start of the table
	Err    error  // one of the above; Unwrap returns it
}

func (e *TableError) Error() string {
	return fmt.Sprintf("acpi: %s+%#x: %v", e.Table, e.Offset, e.Err)
}

func (e *TableError) Unwrap() error { return e.Err }

// Memory returns n bytes of physical memory at addr, or an error.
type Memory func(addr uint64, n int) ([]byte, error)

// HeaderLength is the size of the header that all tables but the RSDP share
// ("System Description Table Header").
const HeaderLength = 36

const headerLength = HeaderLength

// Header is what the header says, as text that is safe for a terminal.
type Header struct {
	Signature, OEMID, TableID string
	Length                    uint32
	Revision                  uint8
}

// ParseHeader reads a header of HeaderLength bytes. It checks nothing.
func ParseHeader(b []byte) Header {
	return Header{signature(b), Printable(bytes.TrimRight(b[10:16], " \x00")), Printable(bytes.TrimRight(b[16:24], " \x00")), u32(b[4:]), b[8]}
}

// MaxTable is the largest length that is accepted of any table.
const MaxTable = 16 << 20

// Table is one table in memory, its length and checksum checked.
type Table struct {
	uacpi.Table
	Addr uint64 // physical; Table.Address does not have it
}

// NewTable makes a table from its bytes: b begins with the header, whose length and
// checksum must be right.
func NewTable(b []byte, addr uint64) (Table, error) {
	if len(b) < headerLength {
		return Table{}, &TableError{signature(b), len(b), ErrShort}
	}
	n := int(u32(b[4:]))
	if n < headerLength || n > len(b) {
		return Table{}, &TableError{signature(b), 4, ErrLength}
	}
	if sum(b[:n]) != 0 {
		return Table{}, &TableError{signature(b), 9, ErrChecksum}
	}
	list, err := uacpi.NewRaw(b[:n])
	if err != nil {
		return Table{}, &TableError{signature(b), 0, err}
	}
	return Table{list[0], addr}, nil
}

// ReadTable reads the table at addr.
func ReadTable(mem Memory, addr uint64) (Table, error) {
	h, err := mem(addr, headerLength)
	if err != nil || len(h) < headerLength {
		return Table{}, &TableError{fmt.Sprintf("table at %#x", addr), 0, ErrRead}
	}
	n := int(u32(h[4:]))
	if n < headerLength || n > MaxTable {
		return Table{}, &TableError{signature(h), 4, ErrLength}
	}
	b, err := mem(addr, n)
	if err != nil || len(b) < n {
		return Table{}, &TableError{signature(h), 4, ErrRead}
	}
	return NewTable(b[:n], addr)
}

// signature returns the first four bytes as text, with "?" for each that cannot be
// printed.
func signature(b []byte) string {
	var s [4]byte
	for i := range s {
		s[i] = '?'
		if i < len(b) && b[i] >= ' ' && b[i] < 0x7f {
			s[i] = b[i]
		}
	}
	return string(s[:])
}

func sum(b []byte) (s uint8) {
	for _, x := range b {
		s += x
	}
	return s
}

func u16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }

func u32(b []byte) uint32 { return uint32(u16(b)) | uint32(u16(b[2:]))<<16 }

func u64(b []byte) uint64 { return uint64(u32(b)) | uint64(u32(b[4:]))<<32 }
