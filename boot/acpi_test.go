package boot

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/acpi"
	"muster/kernel/memmap"
)

// signed gives b a right checksum at an offset.
func signed(b []byte, at int) []byte {
	b[at] = 0
	b[at] = -sum(b)
	return b
}

// acpiTable makes a table with a body.
func acpiTable(name string, body []byte) []byte {
	b := append([]byte(name), le.AppendUint32(nil, uint32(tableHead+len(body)))...)
	b = append(b, make([]byte, tableHead-len(b))...)
	return signed(append(b, body...), 9)
}

func rootPointer(rsdt uint32, xsdt uint64) []byte {
	b := make([]byte, rsdpFullSize)
	copy(b, rsdpSignature)
	le.PutUint32(b[rsdpRSDT:], rsdt)
	if xsdt != 0 {
		b[rsdpRevision] = 2
		le.PutUint64(b[rsdpXSDT:], xsdt)
	}
	signed(b[:rsdpSize], 8)
	return b
}

// keptBy returns what Tables keeps.
func keptBy(in *Info, m memory) (kept []memmap.Range) {
	in.Tables(m.read, func(start, n uint64) { kept = append(kept, memmap.Range{Start: start, End: start + n}) })
	return kept
}

func TestTables(t *testing.T) {
	fadt := make([]byte, 148-tableHead)
	le.PutUint32(fadt[fadtDSDT-tableHead:], 0x30000)
	le.PutUint32(fadt[fadtFACS-tableHead:], 0x40000)
	le.PutUint64(fadt[fadtDSDT64-tableHead:], 0x50000)
	facs := append([]byte("FACS"), le.AppendUint32(nil, 64)...)
	m := memory{
		0xf0010: rootPointer(0x10000, 0x18000),
		0x10000: acpiTable("RSDT", words(0x20000, 0x21000)),
		0x18000: acpiTable("XSDT", words(0x20000, 0, 0x22000, 0)),
		0x20000: acpiTable("FACP", fadt),
		0x21000: acpiTable("APIC", make([]byte, 8)),
		0x22000: acpiTable("HPET", make([]byte, 20)),
		0x30000: acpiTable("DSDT", make([]byte, 100)),
		0x40000: append(facs, make([]byte, 56)...),
		0x50000: acpiTable("DSDT", make([]byte, 300)),
	}
	byX := []memmap.Range{{Start: 0xf0010, End: 0xf0034}, {Start: 0x18000, End: 0x18034}, {Start: 0x20000, End: 0x20094},
		{Start: 0x30000, End: 0x30088}, {Start: 0x50000, End: 0x50150}, {Start: 0x40000, End: 0x40040}, {Start: 0x22000, End: 0x22038}}
	require.Equal(t, byX, keptBy(&Info{RSDPAddr: 0xf0010}, m), "by its address")
	require.Equal(t, byX, keptBy(&Info{}, m), "found where the BIOS leaves it")
	require.Equal(t, byX[1:], keptBy(&Info{RSDP: m[0xf0010]}, m), "the loader's copy lies in its own information")

	m[0x18000][40]++ // a list with a wrong checksum is not one
	kept := keptBy(&Info{RSDPAddr: 0xf0010}, m)
	require.Equal(t, memmap.Range{Start: 0x10000, End: 0x1002c}, kept[1], "the older list in its place")
	require.Contains(t, kept, memmap.Range{Start: 0x21000, End: 0x2102c})

	le.PutUint32(m[0x21000][tableLength:], maxTable+1)
	require.NotContains(t, keptBy(&Info{RSDPAddr: 0xf0010}, m), memmap.Range{Start: 0x21000, End: 0x21000 + maxTable + 1})
	require.Empty(t, keptBy(&Info{}, memory{}), "no tables")
	require.Empty(t, keptBy(&Info{RSDP: []byte("short")}, m))
}

// Package acpi reads no table that Tables has not kept: both follow the same pointers of a
// long list, and both refuse a table that is too long.
func TestTablesAreThoseOfACPI(t *testing.T) {
	const first, large, larger, tables = 0x100000, 0x10000000, 0x30000000, 2 * maxTables
	text := make([]byte, 0, tables*tableHead)
	list := words(large, larger, 0, first)
	for i := range uint32(tables) {
		list = append(list, words(first+i*tableHead)...)
		text = append(text, acpiTable("SSDT", nil)...)
	}
	m := memory{
		0xf0010: rootPointer(0x20000000, 0), 0x20000000: acpiTable("RSDT", list), first: text,
		large: acpiTable("SSDT", make([]byte, maxTable-tableHead)), larger: acpiTable("SSDT", make([]byte, maxTable-tableHead+1)),
	}
	kept := map[uint64]bool{}
	for _, r := range keptBy(&Info{RSDPAddr: 0xf0010}, m) {
		kept[r.Start] = true
	}
	read := func(addr uint64, n int) ([]byte, error) { return m.read(addr, uint64(n)), nil }
	root, err := acpi.ParseRSDP(m[0xf0010], 0xf0010)
	require.NoError(t, err)
	found, problems, err := acpi.Load(read, root)
	require.NoError(t, err)
	require.Len(t, problems, 1, "the table that is too long")
	require.Len(t, found.List, maxTables-3, "one is too long, one address is 0, one comes twice")
	for _, table := range found.List {
		require.True(t, kept[table.Addr], "%#x", table.Addr)
	}
	require.Len(t, kept, 2+len(found.List), "the root pointer, the list, and its tables")
}

// The extended BIOS data area comes first.
func TestFindRSDP(t *testing.T) {
	m := memory{ebdaSegment: {0xc0, 0x9f}, 0x9fc00: make([]byte, 1024), 0xf5000: rootPointer(1, 0)}
	require.Equal(t, uint64(0xf5000), findRSDP(m.read))
	copy(m[0x9fc00][0x20:], rootPointer(2, 0))
	require.Equal(t, uint64(0x9fc20), findRSDP(m.read))
}

// Tables ends for any bytes, and keeps nothing that cannot be read.
func FuzzTables(f *testing.F) {
	f.Add(append(rootPointer(0x1024, 0), acpiTable("RSDT", words(0x1024, 0x1000))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := memory{0x1000: data}
		in := Info{RSDPAddr: 0x1000}
		in.Tables(m.read, func(start, n uint64) {
			if m.read(start, n) == nil {
				require.LessOrEqual(t, n, uint64(maxFACS), "a FACS may claim more than is there")
			}
		})
	})
}
