package acpi

// MADT is the multiple APIC description table: interrupt controllers and CPUs
// ("Multiple APIC Description Table (MADT)").
type MADT struct {
	LocalAPIC  uint64      `json:"local_apic_address"` // physical, the override of type 5 applied; 0 where the table has none
	PCATCompat bool        `json:"pcat_compat"`        // there is a pair of 8259s to mask
	CPUs       []CPU       `json:"cpus"`
	IOAPICs    []IOAPIC    `json:"ioapics"`
	Overrides  []Override  `json:"overrides"`
	NMIs       []NMISource `json:"nmi_sources"`
	LocalNMIs  []LocalNMI  `json:"local_nmis"`
	Wakeup     *Wakeup     `json:"wakeup,omitempty"`
	Unknown    int         `json:"unknown_entries"` // of types that are not decoded
}

// CPU is an entry of type 0 or 9.
type CPU struct {
	APICID        uint32 `json:"apic_id"`
	UID           uint32 `json:"processor_uid"`
	Enabled       bool   `json:"enabled"`
	OnlineCapable bool   `json:"online_capable"`
	X2APIC        bool   `json:"x2apic"` // type 9
}

// IOAPIC is an entry of type 1.
type IOAPIC struct {
	ID      uint8  `json:"ioapic_id"`
	Addr    uint32 `json:"address"`
	GSIBase uint32 `json:"gsi_base"`
}

// INTI says how an interrupt is signalled: the MPS INTI flags.
type INTI uint16

// Polarity and Trigger are the fields of INTI.
type (
	Polarity uint8
	Trigger  uint8
)

// Values of Polarity and Trigger; 0 is the bus's default.
const (
	ActiveHigh Polarity = 1
	ActiveLow  Polarity = 3
	Edge       Trigger  = 1
	Level      Trigger  = 3
)

// Polarity returns the polarity.
func (f INTI) Polarity() Polarity { return Polarity(f & 3) }

// Trigger returns the trigger mode.
func (f INTI) Trigger() Trigger { return Trigger(f >> 2 & 3) }

// String returns the flags in words.
func (f INTI) String() string {
	return [4]string{"bus default", "active high", "reserved", "active low"}[f.Polarity()] + ", " +
		[4]string{"bus default", "edge", "reserved", "level"}[f.Trigger()]
}

// Override is an entry of type 2: an ISA interrupt with an unusual wiring.
type Override struct {
	Bus    uint8  `json:"bus"`
	Source uint8  `json:"source"`
	GSI    uint32 `json:"gsi"`
	Flags  INTI   `json:"flags"`
}

// NMISource is an entry of type 3.
type NMISource struct {
	GSI   uint32 `json:"gsi"`
	Flags INTI   `json:"flags"`
}

// LocalNMI is an entry of type 4 or 10: a local interrupt pin that is an NMI.
type LocalNMI struct {
	UID    uint32 `json:"processor_uid"` // AllCPUs for all
	LINT   uint8  `json:"lint"`
	Flags  INTI   `json:"flags"`
	X2APIC bool   `json:"x2apic"` // type 10
}

// AllCPUs is the uid that stands for every CPU.
const AllCPUs = ^uint32(0)

// Wakeup is an entry of type 0x10: the mailbox that starts CPUs that the firmware
// holds.
type Wakeup struct {
	Version uint16 `json:"version"`
	Mailbox uint64 `json:"mailbox"`
}

// Entry types and their sizes.
const (
	madtLocalAPIC    = 0
	madtIOAPIC       = 1
	madtOverride     = 2
	madtNMISource    = 3
	madtLocalNMI     = 4
	madtLAPICAddress = 5
	madtX2APIC       = 9
	madtX2APICNMI    = 10
	madtWakeup       = 0x10

	madtEntries = headerLength + 8 // after address and flags
)

var madtSizes = sizes{
	madtLocalAPIC: 8, madtIOAPIC: 12, madtOverride: 10, madtNMISource: 8, madtLocalNMI: 6,
	madtLAPICAddress: 12, madtX2APIC: 16, madtX2APICNMI: 12, madtWakeup: 16,
}

// CPU flags.
const (
	cpuEnabled       = 1 << 0
	cpuOnlineCapable = 1 << 1
)

// ParseMADT decodes a table whose header has been checked. It stops at the first
// malformed entry, and returns the entries before it with an error that says where.
func ParseMADT(t Table) (*MADT, error) {
	b, err := body(t, "APIC", madtEntries)
	if err != nil {
		return nil, err
	}
	m := &MADT{LocalAPIC: uint64(u32(b[headerLength:])), PCATCompat: u32(b[headerLength+4:])&1 != 0}
	var count [256]int // once over the table, so that each list is allocated once
	err = walk("APIC", b, madtEntries, &madtSizes, func(_ int, kind uint8, _ []byte) { count[kind]++ })
	m.CPUs = room[CPU](count[madtLocalAPIC] + count[madtX2APIC])
	m.IOAPICs = room[IOAPIC](count[madtIOAPIC])
	m.Overrides = room[Override](count[madtOverride])
	m.NMIs = room[NMISource](count[madtNMISource])
	m.LocalNMIs = room[LocalNMI](count[madtLocalNMI] + count[madtX2APICNMI])
	walk("APIC", b, madtEntries, &madtSizes, m.entry)
	return m, err
}

// entry adds one entry, whose length suits its type.
func (m *MADT) entry(_ int, kind uint8, e []byte) {
	switch kind {
	case madtLocalAPIC:
		m.CPUs = append(m.CPUs, newCPU(uint32(e[3]), uint32(e[2]), u32(e[4:]), false))
	case madtX2APIC:
		m.CPUs = append(m.CPUs, newCPU(u32(e[4:]), u32(e[12:]), u32(e[8:]), true))
	case madtIOAPIC:
		m.IOAPICs = append(m.IOAPICs, IOAPIC{e[2], u32(e[4:]), u32(e[8:])})
	case madtOverride:
		m.Overrides = append(m.Overrides, Override{e[2], e[3], u32(e[4:]), INTI(u16(e[8:]))})
	case madtNMISource:
		m.NMIs = append(m.NMIs, NMISource{u32(e[4:]), INTI(u16(e[2:]))})
	case madtLocalNMI:
		uid := uint32(e[2])
		if uid == 0xff {
			uid = AllCPUs
		}
		m.LocalNMIs = append(m.LocalNMIs, LocalNMI{uid, e[5], INTI(u16(e[3:])), false})
	case madtX2APICNMI:
		m.LocalNMIs = append(m.LocalNMIs, LocalNMI{u32(e[4:]), e[8], INTI(u16(e[2:])), true})
	case madtLAPICAddress:
		m.LocalAPIC = u64(e[4:])
	case madtWakeup:
		m.Wakeup = &Wakeup{u16(e[2:]), u64(e[8:])}
	default:
		m.Unknown++
	}
}

func newCPU(apicID, uid, flags uint32, x2 bool) CPU {
	return CPU{APICID: apicID, UID: uid, Enabled: flags&cpuEnabled != 0, OnlineCapable: flags&cpuOnlineCapable != 0, X2APIC: x2}
}

// Filler ids that firmware writes into entries without a CPU.
const (
	filler8  = 0xff
	filler32 = 0xffffffff
)
