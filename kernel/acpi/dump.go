package acpi

import (
	"fmt"
	"io"
)

// Dump writes a table as acpidump does, so that acpixtract and iasl read it.
func Dump(w io.Writer, t Table) error {
	b := t.Data()
	if _, err := fmt.Fprintf(w, "%s @ 0x%016X\n", signature(b), t.Addr); err != nil {
		return err
	}
	for off := 0; off < len(b); off += 16 {
		row := b[off:min(off+16, len(b))]
		if _, err := fmt.Fprintf(w, "  %04X: %-48s %s\n", off, fmt.Sprintf("% X", row), Printable(row)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// Printable returns text from firmware with a dot for each byte that could upset a terminal.
func Printable(b []byte) string {
	s := make([]byte, len(b))
	for i, c := range b {
		s[i] = '.'
		if c >= ' ' && c <= '~' {
			s[i] = c
		}
	}
	return string(s)
}
