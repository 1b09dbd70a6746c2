package boot

// The core measures the frequency of the time-stamp counter before the Go runtime starts,
// against counters that the firmware's tables name. This file takes from those tables what
// the core needs for it, while Tables passes them; package acpi decodes them in full later.

// Layout of the tables (ACPI Specification, "Fixed ACPI Description Table (FADT)" and
// "Generic Address Structure (GAS)"; IA-PC HPET Specification, "The HPET ACPI Description
// Table").
const (
	fadtTimer   = 76 // PM_TMR_BLK, a port
	fadtFlags   = 112
	fadtTimer64 = 208 // X_PM_TMR_BLK
	fadtLeast   = 116 // the table of ACPI 1.0

	flagTimer32 = 1 << 8
	flagReduced = 1 << 20

	hpetAddress = 40

	gasSize    = 12
	gasAddress = 4
	gasMemory  = 0
	gasPort    = 1
)

// Counters is where the firmware's tables say that counters of time are.
type Counters struct {
	HPET     uint64 // physical address of the registers of the first block, 0 without one
	PM       uint64 // port or physical address of the power management timer, 0 without one
	PMMemory bool   // PM is a physical address
	PM32     bool   // the timer has 32 bits, not 24
}

// note takes what a table says of counters; others are passed over. The first table of a
// kind counts.
func (k *Counters) note(t []byte) {
	switch string(t[:4]) {
	case "FACP":
		if len(t) >= fadtLeast && k.PM == 0 {
			k.noteFADT(t)
		}
	case "HPET":
		if len(t) >= hpetAddress+gasSize && k.HPET == 0 && t[hpetAddress] == gasMemory {
			k.HPET = number(t[hpetAddress+gasAddress:], 8)
		}
	}
}

func (k *Counters) noteFADT(t []byte) {
	flags := u32(t[fadtFlags:])
	if flags&flagReduced != 0 {
		return // hardware-reduced ACPI has no timer, whatever the fields say
	}
	k.PM32 = flags&flagTimer32 != 0
	if len(t) >= fadtTimer64+gasSize {
		g := t[fadtTimer64:]
		if addr := number(g[gasAddress:], 8); addr != 0 && g[0] <= gasPort {
			k.PM, k.PMMemory = addr, g[0] == gasMemory
			return
		}
	}
	k.PM = uint64(u32(t[fadtTimer:]))
}
