package acpi

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// memory is physical memory for tests: pieces at addresses.
type memory map[uint64][]byte

func (m memory) read(addr uint64, n int) ([]byte, error) {
	for start, b := range m {
		if addr >= start && addr+uint64(n) <= start+uint64(len(b)) {
			return b[addr-start : addr-start+uint64(n)], nil
		}
	}
	return nil, errors.New("no memory there")
}

func rsdp(revision uint8, rsdt uint32, xsdt uint64) []byte {
	b := make([]byte, rsdpLength2)
	copy(b, rsdpSignature)
	copy(b[9:], "MUSTER")
	b[15] = revision
	le.PutUint32(b[16:], rsdt)
	b[8] = -sum(b[:rsdpLength1])
	if revision < 2 {
		return b[:rsdpLength1]
	}
	le.PutUint32(b[20:], rsdpLength2)
	le.PutUint64(b[24:], xsdt)
	b[32] = -sum(b)
	return b
}

func pointers(width int, addrs ...uint64) (b []byte) {
	for _, a := range addrs {
		b = le.AppendUint64(b, a)[:len(b)+width]
	}
	return b
}

func TestFindRSDP(t *testing.T) {
	low := make([]byte, 0x500)
	le.PutUint16(low[ebdaPointer:], 0x9fc0)
	ebda := make([]byte, ebdaSearch)
	bios := make([]byte, biosEnd-biosStart)
	want := RSDP{OEMID: "MUSTER", Revision: 2, RSDT: 1, XSDT: 2}

	r, err := FindRSDP(memory{}.read, 0, rsdp(2, 1, 2))
	require.NoError(t, err)
	require.Equal(t, want, r)

	want.Addr = 0x7000
	r, err = FindRSDP(memory{0x7000: rsdp(2, 1, 2)}.read, 0x7000, nil)
	require.NoError(t, err)
	require.Equal(t, want, r)

	m := memory{0: low, 0x9fc00: ebda, biosStart: bios}
	_, err = FindRSDP(m.read, 0, nil)
	require.EqualError(t, err, "acpi: RSDP+0x0: not found")
	copy(bios[0x1230:], rsdp(0, 5, 0))
	copy(bios[0x120:], rsdpSignature) // bad checksum: skipped
	r, err = FindRSDP(m.read, 0, nil)
	require.NoError(t, err)
	require.Equal(t, RSDP{Addr: biosStart + 0x1230, OEMID: "MUSTER", RSDT: 5}, r)
	copy(ebda[0x30:], rsdp(2, 1, 2))
	r, err = FindRSDP(m.read, 0, nil)
	require.NoError(t, err)
	require.Equal(t, uint64(0x9fc30), r.Addr, "the EBDA comes first")
}

func TestRSDPErrors(t *testing.T) {
	bad := rsdp(2, 1, 2)
	bad[33]++ // second part
	_, err := ParseRSDP(bad, 0)
	require.EqualError(t, err, "acpi: RSDP+0x20: checksum wrong")
	_, err = ParseRSDP(bad[:rsdpLength1], 0)
	require.EqualError(t, err, "acpi: RSDP+0x14: length field out of range")
	bad[10]++
	_, err = ParseRSDP(bad, 0)
	require.EqualError(t, err, "acpi: RSDP+0x8: checksum wrong")
	_, err = ParseRSDP(bad[:10], 0)
	require.EqualError(t, err, "acpi: RSDP+0xa: table too short")
	_, err = FindRSDP(memory{}.read, 0x7000, nil)
	require.EqualError(t, err, "acpi: RSDP+0x0: memory cannot be read")
}

func TestLoad(t *testing.T) {
	m := memory{
		0x1000: table("XSDT", pointers(8, 0x3000, 0x4000, 0, 0x3000, 0x5000, 0x6000)...),
		0x2000: table("RSDT", pointers(4, 0x3000)...),
		0x3000: madt(), 0x4000: table("FACP"), 0x5000: table("BAD!"),
	}
	m[0x5000][20]++
	tabs, problems, err := Load(m.read, RSDP{Revision: 2, RSDT: 0x2000, XSDT: 0x1000})
	require.NoError(t, err)
	require.Equal(t, "XSDT", tabs.From)
	require.Len(t, tabs.List, 2, "each address once")
	require.Equal(t, uint64(0x4000), tabs.List[1].Addr)
	require.Len(t, problems, 2)
	require.EqualError(t, problems[0], "acpi: BAD!+0x9: checksum wrong")
	require.EqualError(t, problems[1], "acpi: table at 0x6000+0x0: memory cannot be read")
	_, ok := tabs.Find("FACP")
	require.True(t, ok)
	_, ok = tabs.Find("HPET")
	require.False(t, ok)

	m[0x1000][30]++ // a damaged XSDT: the RSDT is used
	tabs, problems, err = Load(m.read, RSDP{Revision: 2, RSDT: 0x2000, XSDT: 0x1000})
	require.NoError(t, err)
	require.Equal(t, "RSDT", tabs.From)
	require.Len(t, problems, 1)

	_, _, err = Load(m.read, RSDP{Revision: 2, XSDT: 0x1000})
	require.ErrorIs(t, err, ErrChecksum)
	_, _, err = Load(m.read, RSDP{RSDT: 0x3000})
	require.EqualError(t, err, "acpi: RSDT+0x0: signature is not the expected one")
	_, _, err = Load(m.read, RSDP{})
	require.ErrorIs(t, err, ErrMissing)
}

func TestNewTable(t *testing.T) {
	_, err := NewTable([]byte("APIC"), 0)
	require.EqualError(t, err, "acpi: APIC+0x4: table too short")
	b := table("APIC")
	le.PutUint32(b[4:], 20)
	_, err = NewTable(b, 0)
	require.EqualError(t, err, "acpi: APIC+0x4: length field out of range")
	le.PutUint32(b[4:], 37)
	_, err = NewTable(b, 0)
	require.EqualError(t, err, "acpi: APIC+0x4: length field out of range")
}
