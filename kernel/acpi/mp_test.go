package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// mpTable makes a configuration table from entries.
func mpTable(count int, entries ...byte) []byte {
	b := make([]byte, mpHeaderLength, mpHeaderLength+len(entries))
	copy(b, "PCMP")
	b[6] = 4
	copy(b[8:], "MUSTER  ")
	le.PutUint16(b[34:], uint16(count))
	le.PutUint32(b[36:], defaultLocalAPIC)
	b = append(b, entries...)
	le.PutUint16(b[4:], uint16(len(b)))
	b[7] = -sum(b)
	return b
}

// mpPointer makes a floating pointer.
func mpPointer(table uint32, kind, features byte) []byte {
	b := make([]byte, mpPointerLength)
	copy(b, "_MP_")
	le.PutUint32(b[4:], table)
	b[8], b[9], b[11], b[12] = 1, 4, kind, features
	b[10] = -sum(b)
	return b
}

var twoCPUs = mpTable(8,
	0, 0, 0x14, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // boot CPU 0
	0, 2, 0x14, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // CPU 2
	0, 4, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // off
	1, 1, 'I', 'S', 'A', ' ', ' ', ' ',
	2, 8, 0x11, 1, 0, 0, 0xc0, 0xfe,
	3, 0, 0, 0, 1, 0, 8, 2, // ISA 0 to pin 2
	3, 0, 0x0f, 0, 1, 9, 8, 9, // ISA 9 active low, level
	4, 1, 0, 0, 1, 0, 0xff, 1, // NMI at LINT1 of all
)

func TestMP(t *testing.T) {
	m := memory{0: make([]byte, 0x500), biosStart: make([]byte, biosEnd-biosStart), 0x9fc00: make([]byte, 1024),
		mpBiosStart: make([]byte, mpBiosEnd-mpBiosStart), 0x7000: twoCPUs}
	_, err := FindMP(m.read)
	require.EqualError(t, err, "acpi: _MP_+0x0: not found")
	le.PutUint16(m[0][mpBaseMemory:], 640)
	copy(m[0x9fc00][0x20:], mpPointer(0x7000, 0, 0x80))
	mp, err := FindMP(m.read)
	require.NoError(t, err)
	require.Equal(t, uint64(0x9fc20), mp.Addr)
	require.True(t, mp.IMCR)
	require.Equal(t, &MADT{
		LocalAPIC: defaultLocalAPIC, PCATCompat: true,
		CPUs:      []CPU{{APICID: 0, Enabled: true}, {APICID: 2, UID: 2, Enabled: true}, {APICID: 4, UID: 4}},
		IOAPICs:   []IOAPIC{{8, defaultIOAPIC, 0}},
		Overrides: []Override{{0, 0, 2, 0}, {0, 9, 9, 0x0f}},
		LocalNMIs: []LocalNMI{{AllCPUs, 1, 0, false}},
	}, mp.MADT(func(uint32) int { return 24 }))
}

// Interrupts are numbered through the I/O APICs by how many inputs each has.
func TestMPSeveralIOAPICs(t *testing.T) {
	mp, err := ParseMP(mpTable(4,
		1, 0, 'I', 'S', 'A', ' ', ' ', ' ',
		2, 1, 0x11, 1, 0, 0, 0xc0, 0xfe,
		2, 2, 0x11, 1, 0, 0x10, 0xc0, 0xfe,
		3, 0, 5, 0, 0, 3, 2, 4))
	require.NoError(t, err)
	m := mp.MADT(func(addr uint32) int { return map[uint32]int{0xfec00000: 16, 0xfec01000: 24}[addr] })
	require.Equal(t, []IOAPIC{{1, 0xfec00000, 0}, {2, 0xfec01000, 16}}, m.IOAPICs)
	require.Equal(t, []Override{{0, 3, 20, 5}}, m.Overrides)
}

func TestMPDefault(t *testing.T) {
	m := memory{mpBiosStart: make([]byte, mpBiosEnd-mpBiosStart)}
	copy(m[mpBiosStart][0x100:], mpPointer(0, 5, 0))
	mp, err := FindMP(m.read)
	require.NoError(t, err)
	require.Len(t, mp.CPUs, 2)
	require.Equal(t, Line{GSI: 2}, mp.MADT(func(uint32) int { return 24 }).ISA(0))
}

func TestMPMalformed(t *testing.T) {
	unknown := mpTable(1, 9, 0, 0, 0, 0, 0, 0, 0)
	tests := map[string]struct {
		b    []byte
		want string
	}{
		"empty":           {nil, "acpi: PCMP+0x0: table too short"},
		"signature":       {append([]byte("PCMQ"), twoCPUs[4:]...), "acpi: PCMP+0x0: signature is not the expected one"},
		"cut":             {twoCPUs[:60], "acpi: PCMP+0x4: length field out of range"},
		"checksum":        {append(append([]byte(nil), twoCPUs[:len(twoCPUs)-1]...), 7), "acpi: PCMP+0x7: checksum wrong"},
		"unknown entry":   {unknown, "acpi: PCMP+0x2c: value has no meaning"},
		"count too large": {mpTable(2, 1, 0, 'I', 'S', 'A', ' ', ' ', ' '), "acpi: PCMP+0x34: table too short"},
		"entry cut":       {mpTable(1, 0, 1, 2), "acpi: PCMP+0x2c: table too short"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseMP(tc.b)
			require.EqualError(t, err, tc.want)
		})
	}
	m := memory{mpBiosStart: make([]byte, mpBiosEnd-mpBiosStart), 0x7000: unknown}
	copy(m[mpBiosStart], mpPointer(0x7000, 0, 0))
	copy(m[mpBiosStart][16:], mpPointer(0, 99, 0))
	_, err := FindMP(m.read)
	require.EqualError(t, err, "acpi: PCMP+0x2c: value has no meaning", "the first reason")
}
