package acpi

import "muster/kernel/abi"

// pins returns which local interrupt pins are NMIs on the CPU with a firmware's
// uid, in the form of abi.NMIPin.
func pins(list []LocalNMI, uid uint32) (pins uint32) {
	for _, n := range list {
		if n.LINT > 1 || n.UID != AllCPUs && n.UID != uid {
			continue
		}
		one := abi.NMIPin | n.Flags.IRQ()
		pins |= one << (8 * n.LINT)
	}
	return pins
}

// IRQ returns the flags as abi.IRQLow and abi.IRQLevel.
func (f INTI) IRQ() uint32 { return LineFlags(f.Polarity() == ActiveLow, f.Trigger() == Level) }

// LineFlags says how a line is wired, as abi.IRQLow and abi.IRQLevel.
func LineFlags(low, level bool) (f uint32) {
	if low {
		f |= abi.IRQLow
	}
	if level {
		f |= abi.IRQLevel
	}
	return f
}
