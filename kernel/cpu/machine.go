package cpu

// Machine checks: errors that the hardware finds in itself, in caches, buses and memory.
// The CPU records each in a bank of registers. One that it could not correct raises #MC
// if CR4.MCE is set; otherwise the CPU shuts down, and the machine resets without a word.
//
// Source: Intel SDM vol. 3B, "Machine-Check Architecture".

// Registers of the machine-check architecture. Each bank has four, from MSRBank on.
const (
	MSRMachineCap    = 0x179
	MSRMachineStatus = 0x17a
	MSRMachineCtl    = 0x17b
	MSRBank          = 0x400

	bankCtl = iota - 4
	bankStatus
	bankAddr
	bankMisc
	bankRegisters
)

const (
	machineCapCtl = 1 << 8 // MSRMachineCtl is there

	// MaxBanks is the limit on banks that the kernel looks at.
	MaxBanks = 32
)

// Bits of a bank's status.
const (
	BankValid    = 1 << 63
	BankOverflow = 1 << 62 // an earlier error was lost
	BankFatal    = 1 << 61 // UC: not corrected
	BankEnabled  = 1 << 60
	BankMiscV    = 1 << 59
	BankAddrV    = 1 << 58
	BankCorrupt  = 1 << 57 // PCC: the CPU's own state may be wrong
	BankSignaled = 1 << 56 // S
	BankAction   = 1 << 55 // AR: software must act
)

// Bank is the record of one error.
type Bank struct {
	Number             uint32
	Status, Addr, Misc uint64
}

// MachineRecord is what a CPU found in its banks when a machine check came.
type MachineRecord struct {
	Status uint64 // IA32_MCG_STATUS
	Found  uint32 // banks with an error
	Banks  [8]Bank
}

// machineChecks reports whether this CPU has the machine-check architecture.
func (f *Features) machineChecks() bool { return f.Has(MCE) && f.Has(MCA) }

// Banks returns how many banks this CPU has, 0 without the architecture.
func (f *Features) Banks() uint32 {
	if !f.machineChecks() {
		return 0
	}
	return min(uint32(ReadMSR(MSRMachineCap)&0xff), MaxBanks)
}

// EnableMachineChecks makes this CPU report errors by #MC. What is in the banks stays:
// it tells of the time before the boot.
//
// Context: once on each CPU, when its descriptor tables are loaded.
func (f *Features) EnableMachineChecks() {
	if !f.machineChecks() {
		return
	}
	if ReadMSR(MSRMachineCap)&machineCapCtl != 0 {
		WriteMSR(MSRMachineCtl, ^uint64(0))
	}
	for b := range f.Banks() {
		if b == 0 && f.Vendor == VendorIntel && f.Family == 6 && f.Model < 0x1a {
			continue // there, the first bank's control belongs to the firmware
		}
		WriteMSR(MSRBank+bankRegisters*b+bankCtl, ^uint64(0))
	}
	WriteCR4(ReadCR4() | CR4Machine)
}

// ReadBank returns a bank's record; ok is false for an empty one.
func ReadBank(number uint32) (b Bank, ok bool) {
	at := MSRBank + bankRegisters*number
	b = Bank{Number: number, Status: ReadMSR(at + bankStatus)}
	if b.Status&BankValid == 0 {
		return b, false
	}
	if b.Status&BankAddrV != 0 {
		b.Addr = ReadMSR(at + bankAddr)
	}
	if b.Status&BankMiscV != 0 {
		b.Misc = ReadMSR(at + bankMisc)
	}
	return b, true
}

// ClearBank empties a bank for the next error.
func ClearBank(number uint32) { WriteMSR(MSRBank+bankRegisters*number+bankStatus, 0) }

// Severity says what an error did.
func (b *Bank) Severity() string {
	switch {
	case b.Status&BankFatal == 0:
		return "corrected"
	case b.Status&BankCorrupt != 0:
		return "not corrected, state of the CPU corrupt"
	}
	return "not corrected"
}

// Kind says where an error was, from the low half of the status (Intel SDM vol. 3B,
// "Interpreting the MCA Error Codes"). Bit 12 says that corrected errors are filtered.
func (b *Bank) Kind() string {
	code := uint16(b.Status) &^ (1 << 12)
	switch code {
	case 0:
		return "no error"
	case 1:
		return "unclassified"
	case 2:
		return "microcode ROM parity"
	case 3:
		return "external"
	case 4:
		return "functional redundancy check"
	case 5:
		return "internal parity"
	case 6:
		return "SMM handler"
	case 0x400:
		return "internal timer"
	case 0xe0b:
		return "generic I/O"
	}
	switch {
	case code&0xf800 == 0x0800:
		return "bus or interconnect"
	case code&0xfc00 == 0x0400:
		return "internal"
	case code&0xff80 == 0x0280:
		return "memory as a cache"
	case code&0xff00 == 0x0100:
		return "cache"
	case code&0xff80 == 0x0080:
		return "memory controller"
	case code&0xfff0 == 0x0010:
		return "TLB"
	case code&0xfffc == 0x000c:
		return "generic cache"
	}
	return "unknown"
}
