package acpi

// Line is how an interrupt reaches the I/O APICs.
type Line struct {
	GSI   uint32
	Low   bool // active low
	Level bool // level-triggered
}

// isaBus is the bus number of overrides.
const isaBus = 0

// ISA returns the line of an ISA interrupt: edge-triggered, active high and on
// the global system interrupt of the same number, unless an override says otherwise.
func (m *MADT) ISA(irq uint8) Line {
	for _, o := range m.Overrides {
		if o.Bus == isaBus && o.Source == irq {
			return Line{GSI: o.GSI, Low: o.Flags.Polarity() == ActiveLow, Level: o.Flags.Trigger() == Level}
		}
	}
	return Line{GSI: uint32(irq)}
}
