package cpu

import "sync/atomic"

// The audit counts privileged operations by class, in debug builds. Most classes
// belong to the start of a CPU alone: a count that grows later shows a change that
// must not happen.

// Class is a class of privileged operations.
type Class uint8

// Classes.
const (
	AuditCR3     Class = iota // address spaces, TLB flushes
	AuditCR4                  // the start of a CPU alone
	AuditTables               // GDT, IDT, TR: the start of a CPU alone
	AuditAPIC                 // local APIC in x2APIC mode
	AuditSystem               // EFER, STAR, LSTAR, FMASK, APIC base, PAT: the start of a CPU alone
	AuditSpec                 // speculation controls: the start of a CPU alone
	AuditBarrier              // branch prediction barriers: a change of programs
	AuditBase                 // GS base, by MSR: the start of a CPU alone
	AuditMSR                  // any other MSR
	AuditSerial               // serial port
	AuditTimer                // 8254, and its gate
	AuditPIC                  // 8259 pair: the start alone
	AuditPort                 // any other port
	Classes
)

var classNames = [Classes]string{"CR3", "CR4", "tables", "APIC", "system MSRs", "speculation", "prediction barriers", "segment bases",
	"other MSRs", "serial port", "8254", "8259", "other ports"}

// String returns the class's name.
func (x Class) String() string { return classNames[x] }

var auditCounts [Classes]uint64

// AuditCount returns how often operations of a class were executed.
func AuditCount(x Class) uint64 { return atomic.LoadUint64(&auditCounts[x]) }

func audit(x Class) {
	if Audited {
		atomic.AddUint64(&auditCounts[x], 1)
	}
}

// classOfMSR returns the class of a write to a model-specific register.
func classOfMSR(msr uint32) Class {
	switch {
	case msr >= MSRX2APIC && msr < MSRX2APIC+0x100, msr == MSRTSCDeadline:
		return AuditAPIC
	case msr >= MSREFER && msr <= MSRFMask, msr == MSRAPICBase, msr == MSRPAT:
		return AuditSystem
	case msr == MSRSpecCtrl:
		return AuditSpec
	case msr == MSRPredCmd:
		return AuditBarrier
	case msr >= MSRFSBase && msr <= MSRKernelGSBase:
		return AuditBase
	}
	return AuditMSR
}

// classOfPort returns the class of a write to an I/O port.
func classOfPort(port uint16) Class {
	switch {
	case port >= 0x3f8 && port < 0x400:
		return AuditSerial
	case port >= 0x40 && port < 0x44, port == 0x61:
		return AuditTimer
	case port == 0x20, port == 0x21, port == 0xa0, port == 0xa1:
		return AuditPIC
	}
	return AuditPort
}

func auditPort(port uint16) {
	if Audited {
		audit(classOfPort(port))
	}
}

// Out8 writes one byte to an I/O port.
func Out8(port uint16, v uint8) { auditPort(port); out8(port, v) }

// Out16 writes two bytes to an I/O port.
func Out16(port uint16, v uint16) { auditPort(port); out16(port, v) }

// Out32 writes four bytes to an I/O port.
func Out32(port uint16, v uint32) { auditPort(port); out32(port, v) }

// WriteMSR sets a model-specific register; #GP as for ReadMSR and for reserved bits.
func WriteMSR(msr uint32, v uint64) {
	if Audited {
		audit(classOfMSR(msr))
	}
	writeMSR(msr, v)
}

// WriteCR3 changes the address space and drops all TLB entries but the global ones.
func WriteCR3(v uint64) { audit(AuditCR3); writeCR3(v) }

// WriteCR4 sets control register 4.
func WriteCR4(v uint64) { audit(AuditCR4); writeCR4(v) }

// LoadGDT makes the n bytes at base the descriptor table, reloads SS with selector data,
// and DS and ES with none. CS keeps its hidden part, so the old and the new table must
// agree on it.
func LoadGDT(base uintptr, n uint16, data uint16) { audit(AuditTables); loadGDT(base, n, data) }

// LoadIDT makes the n bytes at base the interrupt descriptor table.
func LoadIDT(base uintptr, n uint16) { audit(AuditTables); loadIDT(base, n) }

// LoadLDT loads the selector of the local descriptor table; 0 is no table.
func LoadLDT(selector uint16) { audit(AuditTables); loadLDT(selector) }

// DropLDT makes sure that there is no local descriptor table. CPUs refuse to load one for
// a program; QEMU 10.0 does load it, by MOV to a segment register that does not exist.
func DropLDT() {
	if ReadLDT() != 0 {
		loadLDT(0)
	}
}

// LoadTR loads the task register; the descriptor becomes busy.
func LoadTR(selector uint16) { audit(AuditTables); loadTR(selector) }
