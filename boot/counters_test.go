package boot

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fadtOf makes a FADT of n bytes with the fields that matter here.
func fadtOf(n int, flags uint32, port uint32, space byte, addr uint64) []byte {
	b := make([]byte, n)
	le.PutUint32(b[fadtTimer:], port)
	le.PutUint32(b[fadtFlags:], flags)
	if n >= fadtTimer64+gasSize {
		b[fadtTimer64] = space
		le.PutUint64(b[fadtTimer64+gasAddress:], addr)
	}
	return acpiTable("FACP", b[tableHead:])
}

func hpetOf(space byte, addr uint64) []byte {
	b := make([]byte, 56)
	b[hpetAddress] = space
	le.PutUint64(b[hpetAddress+gasAddress:], addr)
	return acpiTable("HPET", b[tableHead:])
}

func TestCounters(t *testing.T) {
	const q35, old = 244, 116 // lengths of tables
	for name, tc := range map[string]struct {
		tables [][]byte
		want   Counters
	}{
		"no tables":                 {},
		"q35 in QEMU":               {[][]byte{fadtOf(q35, 0x84a5, 0x608, gasPort, 0x608), hpetOf(0, 0xfed00000)}, Counters{HPET: 0xfed00000, PM: 0x608}},
		"a table of ACPI 1.0":       {[][]byte{fadtOf(old, 0x184a5, 0x408, 0, 0)}, Counters{PM: 0x408}},
		"32 bits":                   {[][]byte{fadtOf(old, flagTimer32, 0x408, 0, 0)}, Counters{PM: 0x408, PM32: true}},
		"the timer in memory":       {[][]byte{fadtOf(q35, flagTimer32, 0x408, gasMemory, 0xfed80808)}, Counters{PM: 0xfed80808, PMMemory: true, PM32: true}},
		"an extended field of 0":    {[][]byte{fadtOf(q35, 0, 0x408, gasPort, 0)}, Counters{PM: 0x408}},
		"in PCI space":              {[][]byte{fadtOf(q35, 0, 0x408, 2, 0x1234)}, Counters{PM: 0x408}},
		"hardware-reduced":          {[][]byte{fadtOf(q35, flagReduced|flagTimer32, 0x408, gasPort, 0x408)}, Counters{}},
		"an HPET in port space":     {[][]byte{hpetOf(1, 0xfed00000)}, Counters{}},
		"the first of two HPETs":    {[][]byte{hpetOf(0, 0xfed00000), hpetOf(0, 0xfed01000)}, Counters{HPET: 0xfed00000}},
		"a short HPET table":        {[][]byte{hpetOf(0, 0xfed00000)[:hpetAddress+gasSize-1]}, Counters{}},
		"a FADT that is too short":  {[][]byte{fadtOf(q35, 0, 0x408, 0, 0)[:fadtLeast-1]}, Counters{}},
		"a table of another kind":   {[][]byte{acpiTable("APIC", make([]byte, 300))}, Counters{}},
		"no timer":                  {[][]byte{fadtOf(q35, 0, 0, 0, 0)}, Counters{}},
		"the second FADT is not it": {[][]byte{fadtOf(old, 0, 0x408, 0, 0), fadtOf(old, 0, 0x508, 0, 0)}, Counters{PM: 0x408}},
	} {
		var k Counters
		for _, b := range tc.tables {
			k.note(b)
		}
		require.Equal(t, tc.want, k, name)
	}
}

// Tables notes the counters on its way.
func TestTablesNotesCounters(t *testing.T) {
	m := memory{
		0xf0010: rootPointer(0x10000, 0),
		0x10000: acpiTable("RSDT", words(0x20000, 0x22000)),
		0x20000: fadtOf(132, 0, 0x608, 0, 0),
		0x22000: hpetOf(0, 0xfed00000),
	}
	in := Info{RSDPAddr: 0xf0010}
	in.Tables(m.read, func(uint64, uint64) {})
	require.Equal(t, Counters{HPET: 0xfed00000, PM: 0x608}, in.Counters)
	m[0x22000][50]++ // a table with a wrong checksum is none
	in = Info{RSDPAddr: 0xf0010}
	in.Tables(m.read, func(uint64, uint64) {})
	require.Equal(t, Counters{PM: 0x608}, in.Counters)
}
