package trap

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

//go:generate go run muster/tools/genvectors -o stubs_gen_amd64.s

// Descriptors (Intel SDM vol. 3A, "Segment Descriptors").
const (
	descKernelCode = cpu.DescKernelCode
	descKernelData = cpu.DescKernelData
	descUserData   = 0x00cff3000000ffff
	descUserCode   = 0x00affb000000ffff
	descTSS        = 0x89 << 40 // present, available 64-bit TSS

	gateInterrupt = 0x8e << 40 // present, DPL 0: clears IF
	gateUser      = 0xee << 40 // present, DPL 3: INT n works in ring 3
)

// IST slots.
const (
	istCommon = 1 + iota
	istNMI
	istDouble
	istMachine
	istDebug
	istEnd
)

// tss is a 64-bit task-state segment (Intel SDM vol. 3A, "Task Management in 64-bit Mode").
type tss struct {
	_     uint32
	rsp   [3][2]uint32
	_     [2]uint32
	ist   [7][2]uint32
	_     [2]uint32
	_     uint16
	iomap uint16
	_     [24]byte // to a multiple of 64
}

const tssLimit = 104 - 1

var _ [tssLimit + 1]byte = [unsafe.Offsetof(tss{}.iomap) + 2]byte{}

// gdtEntries is the length of the GDT. The descriptor of the TSS is the last, and takes two.
const gdtEntries = cpu.TSS/8 + 2

// Block holds the descriptor tables of one CPU.
type Block struct {
	gdt [gdtEntries]uint64
	tss tss
}

// Stacks are the stack tops of one CPU: Common for most vectors, and ISTSize
// bytes each, aligned to ISTSize, for the paranoid ones.
type Stacks struct {
	Common                      uintptr
	NMI, Double, Machine, Debug uintptr // addresses of the ends of the stacks
}

var idt [512]uint64 // two words a gate

// Init builds the interrupt descriptor table. With useIST unset, before any TSS,
// exceptions stay on the stack where they happen.
//
// Context: boot CPU.
func Init(useIST bool) {
	for v := range 256 {
		ist := uint64(0)
		if useIST {
			ist = istCommon
			switch v {
			case vector.NMI:
				ist = istNMI
			case vector.Double:
				ist = istDouble
			case vector.Machine:
				ist = istMachine
			case vector.Debug:
				ist = istDebug
			}
		}
		kind := uint64(gateInterrupt)
		if v == vector.Breakpoint || v == vector.Overflow { // as on Linux
			kind = gateUser
		}
		idt[2*v], idt[2*v+1] = gate(uint64(stubsPC)+uint64(v)*16, ist, kind)
	}
}

// gate encodes an interrupt gate (Intel SDM vol. 3A, "64-Bit Mode IDT").
func gate(entry, ist, kind uint64) (lo, hi uint64) {
	return entry&0xffff | cpu.KernelCS<<16 | ist<<32 | kind | entry>>16&0xffff<<48, entry >> 32
}

// LoadIDT makes the CPU use the table that Init built.
func LoadIDT() { cpu.LoadIDT(uintptr(unsafe.Pointer(&idt)), uint16(unsafe.Sizeof(idt)-1)) }

// PatchCLAC turns the CLAC of every stub into a NOP, for CPUs without SMAP.
//
// Context: boot CPU, while text is still writable.
func PatchCLAC() {
	for v := range uintptr(256) {
		p := (*[3]byte)(unsafe.Pointer(stubsPC + v*16))
		p[0], p[1], p[2] = 0x0f, 0x1f, 0x00 // NOP DWORD PTR [RAX]
	}
}

// ClearBuffers makes every way to ring 3 clear the microarchitectural buffers.
//
// Context: boot CPU.
// Source: Intel SDM vol. 2D, "VERR/VERW"; IA32_ARCH_CAPABILITIES.MDS_NO in vol. 4.
func ClearBuffers() {
	clearBuffers = true
	special |= cpu.FlagFixed // a flag that is always set
}

// Load makes the CPU that runs it use b's tables and s's stacks, c as its block,
// and syscallEntry for system calls.
//
// Context: once on each CPU, on any stack but those in s.
func (b *Block) Load(c *percpu.CPU, s *Stacks) {
	base := uint64(uintptr(unsafe.Pointer(&b.tss)))
	b.gdt = [gdtEntries]uint64{
		cpu.KernelCS / 8: descKernelCode,
		cpu.KernelSS / 8: descKernelData,
		cpu.UserSS / 8:   descUserData,
		cpu.UserCS / 8:   descUserCode,
		cpu.TSS / 8:      tssLimit | base&0xffffff<<16 | descTSS | base>>24&0xff<<56,
		cpu.TSS/8 + 1:    base >> 32,
	}
	b.tss.setIST(istCommon, s.Common)
	for slot, end := range [istEnd]uintptr{istNMI: s.NMI, istDouble: s.Double, istMachine: s.Machine, istDebug: s.Debug} {
		if end != 0 {
			b.tss.setIST(slot, prepareStack(c, end))
		}
	}
	b.tss.iomap = tssLimit + 1 // beyond the limit: ring 3 may use no port

	cpu.LoadGDT(uintptr(unsafe.Pointer(&b.gdt)), uint16(unsafe.Sizeof(b.gdt)-1), cpu.KernelSS)
	cpu.LoadTR(cpu.TSS)
	cpu.LoadLDT(0) // or the loader's table would still give ring 3 its segments
	LoadIDT()
	cpu.WriteMSR(cpu.MSRGSBase, uint64(c.Addr()))
	cpu.WriteMSR(cpu.MSRKernelGSBase, 0)
	cpu.WriteMSR(cpu.MSRStar, star())
	cpu.WriteMSR(cpu.MSRLStar, uint64(syscallPC))
	cpu.WriteMSR(cpu.MSRCStar, uint64(syscallPC)) // no descriptor allows compatibility mode; QEMU enters it by MOV to CS
	cpu.WriteMSR(cpu.MSRFMask, syscallMask)
}

// syscallMask has the flags that SYSCALL clears: interrupts are off, no single
// step, forward string instructions, SMAP is on.
const syscallMask = cpu.FlagTrap | cpu.FlagInterrupt | cpu.FlagDirection | cpu.FlagIOPL | cpu.FlagNested | cpu.FlagAC

// star encodes IA32_STAR: SYSCALL loads CS from bits 47:32, SYSRET from bits
// 63:48 plus 16, and SS 8 above and below that.
func star() uint64 {
	return cpu.KernelCS<<32 | (cpu.UserCS-16)<<48
}

func (t *tss) setIST(slot int, top uintptr) {
	t.ist[slot-1] = [2]uint32{uint32(top), uint32(uint64(top) >> 32)}
}

// prepareStack puts the address of the CPU's block and a fake g at the end of a
// paranoid stack and returns the first address of the stack below them.
func prepareStack(c *percpu.CPU, end uintptr) uintptr {
	*(*uintptr)(unsafe.Pointer(end - 8)) = c.Addr()
	top := end - ISTReserved
	(*fakeg.G)(unsafe.Pointer(top)).SetStack(end-ISTSize, top)
	return top
}

// SetLostStack tells compiled code the bounds of the stack for the report of a full
// kernel stack.
//
// Context: boot CPU; the fake g is shared, since only one CPU reports.
func SetLostStack() { lostG.SetStack(0, ^uintptr(0)) }
