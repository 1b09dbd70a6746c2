package acpi

import "fmt"

// Line is how an interrupt reaches the I/O APICs.
type Line struct {
	GSI   uint32
	Low   bool // active low
	Level bool // level-triggered
}

// String returns the line in words.
func (l Line) String() string {
	polarity, trigger := "high", "edge"
	if l.Low {
		polarity = "low"
	}
	if l.Level {
		trigger = "level"
	}
	return fmt.Sprintf("GSI %d, %s, active %s", l.GSI, trigger, polarity)
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

// SCI returns the line of ACPI's own interrupt, with the number that the FADT has: level-triggered
// and active low, unless an override says otherwise. An override that leaves a property to the bus
// means these, and not those of an ISA device.
//
// Source: ACPI Specification 6.5, "Fixed ACPI Description Table (FADT)", SCI_INT.
func (m *MADT) SCI(irq uint16) Line {
	for _, o := range m.Overrides {
		if o.Bus == isaBus && uint16(o.Source) == irq {
			return Line{GSI: o.GSI, Low: o.Flags.Polarity() != ActiveHigh, Level: o.Flags.Trigger() != Edge}
		}
	}
	return Line{GSI: uint32(irq), Low: true, Level: true}
}
