package acpi

import "fmt"

// Space is an address space of a register.
type Space uint8

// Spaces that firmware tables use for registers.
const (
	SpaceMemory Space = 0
	SpaceIO     Space = 1
	SpacePCI    Space = 2
)

// String returns the space's usual name.
func (s Space) String() string {
	switch s {
	case SpaceMemory:
		return "memory"
	case SpaceIO:
		return "I/O"
	case SpacePCI:
		return "PCI"
	}
	return fmt.Sprintf("space %d", uint8(s))
}

// GAS is a generic address structure: where a register is ("Generic Address
// Structure (GAS)").
type GAS struct {
	Space     Space  `json:"space_id"`
	BitWidth  uint8  `json:"bit_width"`
	BitOffset uint8  `json:"bit_offset"`
	Access    uint8  `json:"access_size"` // 0 undefined, 1 byte, 2 word, 3 dword, 4 qword
	Address   uint64 `json:"address"`
}

const gasLength = 12

func gas(b []byte) GAS { return GAS{Space(b[0]), b[1], b[2], b[3], u64(b[4:])} }

// String returns space and address.
func (g GAS) String() string { return fmt.Sprintf("%v %#x, %d bits", g.Space, g.Address, g.BitWidth) }
