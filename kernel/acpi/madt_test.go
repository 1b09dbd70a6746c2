package acpi

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

var le = binary.LittleEndian

// table makes a table with the right length and checksum.
func table(sig string, body ...byte) []byte {
	b := make([]byte, headerLength, headerLength+len(body))
	copy(b, sig)
	copy(b[10:], "MUSTERTESTING ")
	b = append(b, body...)
	return fix(b)
}

// fix sets length and checksum.
func fix(b []byte) []byte {
	le.PutUint32(b[4:], uint32(len(b)))
	b[9] = 0
	b[9] = -sum(b)
	return b
}

// madt makes an MADT from its entries.
func madt(entries ...byte) []byte {
	return table("APIC", append([]byte{0, 0, 0xe0, 0xfe, 1, 0, 0, 0}, entries...)...)
}

func parse(t *testing.T, b []byte) (*MADT, error) {
	t.Helper()
	tab, err := NewTable(b, 0)
	require.NoError(t, err)
	return ParseMADT(tab)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMADTEntries(t *testing.T) {
	m, err := parse(t, madt(
		0, 8, 5, 4, 1, 0, 0, 0, // CPU, uid 5, id 4
		0, 8, 6, 6, 2, 0, 0, 0, // online capable
		1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 24, 0, 0, 0,
		2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0, // active high, level
		3, 8, 0x0f, 0, 7, 0, 0, 0,
		4, 6, 0xff, 5, 0, 1,
		9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0,
		10, 12, 5, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0,
		0x10, 16, 1, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
		0x7f, 3, 0,
		5, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
	))
	require.NoError(t, err)
	require.Equal(t, &MADT{
		LocalAPIC:  1 << 32,
		PCATCompat: true,
		CPUs: []CPU{
			{APICID: 4, UID: 5, Enabled: true},
			{APICID: 6, UID: 6, OnlineCapable: true},
			{APICID: 300, UID: 7, Enabled: true, X2APIC: true},
		},
		IOAPICs:   []IOAPIC{{2, 0xfec00000, 24}},
		Overrides: []Override{{0, 9, 9, 0x0d}},
		NMIs:      []NMISource{{7, 0x0f}},
		LocalNMIs: []LocalNMI{{AllCPUs, 1, 0x05, false}, {AllCPUs, 1, 0x05, true}},
		Wakeup:    &Wakeup{1, 0x1000},
		Unknown:   1,
	}, m)
}

func TestMADTMalformed(t *testing.T) {
	tests := map[string]struct {
		table   []byte
		cpus    int
		wantErr string
	}{
		"empty":                {table: madt()},
		"two CPUs, gap":        {table: madt(0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 4, 1, 0, 0, 0), cpus: 2},
		"entry of length zero": {table: madt(0, 0), wantErr: "acpi: APIC+0x2c: length field out of range"},
		"entry of length one":  {table: madt(0, 8, 0, 0, 1, 0, 0, 0, 0x7f, 1), cpus: 1, wantErr: "acpi: APIC+0x34: length field out of range"},
		"entry shorter than its type": {table: madt(0, 8, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0), cpus: 1,
			wantErr: "acpi: APIC+0x34: length field out of range"},
		"entry past the end":   {table: madt(0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 0, 1), cpus: 1, wantErr: "acpi: APIC+0x34: length field out of range"},
		"half an entry head":   {table: madt(0, 8, 0, 0, 1, 0, 0, 0, 0), cpus: 1, wantErr: "acpi: APIC+0x34: table too short"},
		"longer than its type": {table: madt(0, 10, 0, 3, 1, 0, 0, 0, 9, 9), cpus: 1},
		"no address":           {table: table("APIC", 0, 0, 0, 0), wantErr: "acpi: APIC+0x28: table too short"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := parse(t, tc.table)
			require.Equal(t, tc.wantErr, errText(err))
			if m != nil {
				require.Len(t, m.CPUs, tc.cpus)
			}
		})
	}
}
