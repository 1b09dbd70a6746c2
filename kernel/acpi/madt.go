package acpi

// MADT is the multiple APIC description table: interrupt controllers and CPUs
// ("Multiple APIC Description Table (MADT)").
type MADT struct {
	LocalAPIC  uint64 // physical address, the override of type 5 applied
	PCATCompat bool   // there is a pair of 8259s to mask
	CPUs       []CPU
	IOAPICs    []IOAPIC
	Overrides  []Override
	NMIs       []NMISource
	LocalNMIs  []LocalNMI
	Wakeup     *Wakeup
	Unknown    int // entries of types that are not decoded
}

// CPU is an entry of type 0 or 9.
type CPU struct {
	APICID        uint32
	UID           uint32 // ACPI processor uid
	Enabled       bool
	OnlineCapable bool
	X2APIC        bool // type 9
}

// IOAPIC is an entry of type 1.
type IOAPIC struct {
	ID      uint8
	Addr    uint32
	GSIBase uint32
}

// Polarity and Trigger are the fields of the MPS INTI flags.
type (
	Polarity uint8
	Trigger  uint8
)

// Values of Polarity and Trigger; 0 says what is usual for the bus.
const (
	ActiveHigh Polarity = 1
	ActiveLow  Polarity = 3
	Edge       Trigger  = 1
	Level      Trigger  = 3
)

func inti(flags uint16) (Polarity, Trigger) { return Polarity(flags & 3), Trigger(flags >> 2 & 3) }

// Override is an entry of type 2: an ISA interrupt that is wired unusually.
type Override struct {
	Bus, Source uint8
	GSI         uint32
	Polarity    Polarity
	Trigger     Trigger
}

// NMISource is an entry of type 3.
type NMISource struct {
	GSI      uint32
	Polarity Polarity
	Trigger  Trigger
}

// LocalNMI is an entry of type 4 or 10: a local interrupt pin that is an NMI.
type LocalNMI struct {
	UID      uint32 // AllCPUs for all
	LINT     uint8
	Polarity Polarity
	Trigger  Trigger
}

// AllCPUs is the uid that stands for every CPU.
const AllCPUs = ^uint32(0)

// Wakeup is an entry of type 0x10: the mailbox that starts CPUs where firmware
// keeps them.
type Wakeup struct {
	Version uint16
	Mailbox uint64
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

	madtEntries = headerLength + 8 // behind address and flags
)

var madtSizes = map[uint8]int{
	madtLocalAPIC: 8, madtIOAPIC: 12, madtOverride: 10, madtNMISource: 8, madtLocalNMI: 6,
	madtLAPICAddress: 12, madtX2APIC: 16, madtX2APICNMI: 12, madtWakeup: 16,
}

// CPU flags.
const (
	cpuEnabled       = 1 << 0
	cpuOnlineCapable = 1 << 1
)

// ParseMADT decodes a table whose header has been checked. At the first malformed
// entry it stops, and returns what came before with an error that says where.
func ParseMADT(t Table) (*MADT, error) {
	b := t.Data()
	if len(b) < madtEntries {
		return nil, &TableError{"APIC", len(b), ErrShort}
	}
	m := &MADT{LocalAPIC: uint64(u32(b[headerLength:])), PCATCompat: u32(b[headerLength+4:])&1 != 0}
	for off := madtEntries; off < len(b); {
		if len(b)-off < 2 {
			return m, &TableError{"APIC", off, ErrShort}
		}
		kind, n := b[off], int(b[off+1])
		if n < 2 || n > len(b)-off || n < madtSizes[kind] {
			return m, &TableError{"APIC", off, ErrLength}
		}
		m.entry(kind, b[off:off+n])
		off += n
	}
	return m, nil
}

// entry adds one entry, whose length suits its type.
func (m *MADT) entry(kind uint8, e []byte) {
	switch kind {
	case madtLocalAPIC:
		m.CPUs = append(m.CPUs, newCPU(uint32(e[3]), uint32(e[2]), u32(e[4:]), false))
	case madtX2APIC:
		m.CPUs = append(m.CPUs, newCPU(u32(e[4:]), u32(e[12:]), u32(e[8:]), true))
	case madtIOAPIC:
		m.IOAPICs = append(m.IOAPICs, IOAPIC{e[2], u32(e[4:]), u32(e[8:])})
	case madtOverride:
		p, t := inti(u16(e[8:]))
		m.Overrides = append(m.Overrides, Override{e[2], e[3], u32(e[4:]), p, t})
	case madtNMISource:
		p, t := inti(u16(e[2:]))
		m.NMIs = append(m.NMIs, NMISource{u32(e[4:]), p, t})
	case madtLocalNMI:
		uid := uint32(e[2])
		if uid == 0xff {
			uid = AllCPUs
		}
		p, t := inti(u16(e[3:]))
		m.LocalNMIs = append(m.LocalNMIs, LocalNMI{uid, e[5], p, t})
	case madtX2APICNMI:
		p, t := inti(u16(e[2:]))
		m.LocalNMIs = append(m.LocalNMIs, LocalNMI{u32(e[4:]), e[8], p, t})
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

// Filler ids that firmware puts into entries without a CPU.
const (
	filler8  = 0xff
	filler32 = 0xffffffff
)

// Startable returns the CPUs to start, in the table's order: enabled ones, each
// APIC id once, no fillers. A CPU may have an entry of either type, or both.
func (m *MADT) Startable() (list []CPU) {
	seen := make(map[uint32]bool, len(m.CPUs))
	for _, c := range m.CPUs {
		if !c.Enabled || c.APICID == filler32 || !c.X2APIC && c.APICID == filler8 || seen[c.APICID] {
			continue
		}
		seen[c.APICID] = true
		list = append(list, c)
	}
	return list
}
