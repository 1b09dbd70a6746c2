package acpi

// SPCR names the serial port of the firmware's console (Microsoft, "Serial Port Console
// Redirection Table (SPCR)").
type SPCR struct {
	Type    uint8  `json:"interface_type"`
	Address GAS    `json:"address"`
	GSI     uint32 `json:"gsi"`
	Baud    uint8  `json:"baud_rate"` // 0: as the firmware left it
}

// spcrLength is that of revision 2; PCI's numbers follow, which are not decoded.
const spcrLength = 80

// Interface types whose registers are a 16550's (Microsoft, "Debug Port Table 2 (DBG2)",
// serial subtypes).
const (
	Serial16550    = 0
	Serial16450    = 1    // without a FIFO
	SerialGAS16550 = 0x12 // with the width of the registers in the address structure
)

// ParseSPCR decodes a table whose header has been checked.
func ParseSPCR(t Table) (*SPCR, error) {
	b, err := body(t, "SPCR", spcrLength)
	if err != nil {
		return nil, err
	}
	return &SPCR{Type: b[36], Address: gas(b[40:]), GSI: u32(b[54:]), Baud: b[58]}, nil
}

// Is16550 reports whether the port has a 16550's registers.
func (s *SPCR) Is16550() bool {
	return s.Type == Serial16550 || s.Type == Serial16450 || s.Type == SerialGAS16550
}

// Stride returns the number of bytes from register to register in memory, by the size of an
// access.
func (s *SPCR) Stride() int {
	if s.Address.Access == 3 || s.Address.Access == 0 && s.Address.BitWidth == 32 {
		return 4
	}
	return 1
}
