package acpi

// HPET describes one block of high-precision event timers (IA-PC HPET
// Specification 1.0a, "The HPET ACPI Description Table").
type HPET struct {
	ID      uint32 `json:"hardware_id"` // as in the block's capability register
	Address GAS    `json:"address"`
	Number  uint8  `json:"number"`
	MinTick uint16 `json:"min_tick"` // in clock ticks
	Flags   uint8  `json:"flags"`
}

const hpetLength = 56

// Comparators returns how many comparators the block has.
func (h *HPET) Comparators() int { return int(h.ID>>8&0x1f) + 1 }

// Counter64 reports whether the main counter has 64 bits.
func (h *HPET) Counter64() bool { return h.ID>>13&1 != 0 }

// ParseHPET decodes a table whose header has been checked. A block that is not in
// memory, or at address 0, is an error.
func ParseHPET(t Table) (*HPET, error) {
	b, err := body(t, "HPET", hpetLength)
	if err != nil {
		return nil, err
	}
	h := &HPET{ID: u32(b[36:]), Address: gas(b[40:]), Number: b[52], MinTick: u16(b[53:]), Flags: b[55]}
	if h.Address.Space != SpaceMemory || h.Address.Address == 0 {
		return nil, &TableError{"HPET", 40, ErrValue}
	}
	return h, nil
}
