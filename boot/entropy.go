package boot

// What differs from machine to machine and from boot to boot, for the generator of random
// numbers. Of the firmware's own random numbers a kernel under multiboot2 can reach two:
// those that a loader before GRUB left for Linux, and the hypervisor's number of the machine.

// Layout of the EFI system table and of its configuration tables (UEFI Specification, "EFI
// System Table" and "EFI Configuration Table").
const (
	efiSignature   = 0x5453595320494249 // "IBI SYST"
	efiTableCount  = 104
	efiTables      = 112
	efiSize        = 120
	efiEntry       = 24 // GUID and address
	maxEFITables   = 256
	maxSeed        = 4096
	maxMixed       = 64 << 10           // of the loader's information
	guidSeedLow    = 0x42f27ceb1ce1e5bc // LINUX_EFI_RANDOM_SEED_TABLE_GUID, 1ce1e5bc-7ceb-42f2-81e5-8aadf180f57b
	guidSeedHigh   = 0x7bf580f1ad8ae581
	generationName = "\x08VGIA\x0c" // AML of Name (VGIA, a DWord); QEMU's docs/specs/vmgenid
	generationAt   = 40             // from VGIA: QEMU leaves room for a table's head
	generationSize = 16
	tableOEM       = 16 // OEM table ID
)

// Entropy calls mix with the loader's information, with the random numbers that a loader
// or the firmware left for Linux, and with the generation ID of a virtual machine. It must
// run before the kernel uses memory.
func (in *Info) Entropy(mem Memory, mix func(b []byte)) {
	mix(in.tags[:min(len(in.tags), maxMixed)]) // with a copy of the SMBIOS table, which has the machine's serial numbers
	in.efiSeed(mem, mix)
	in.Tables(mem, func(start, n uint64) {
		if addr := generation(mem(start, n)); addr != 0 {
			mix(mem(addr+generationAt, generationSize))
		}
	})
}

// efiSeed mixes in the table of random numbers that Linux takes: systemd-boot leaves it, and
// some firmware.
func (in *Info) efiSeed(mem Memory, mix func(b []byte)) {
	if in.EFI == 0 {
		return
	}
	t := mem(in.EFI, efiSize)
	if len(t) < efiSize || number(t, 8) != efiSignature {
		return
	}
	list := number(t[efiTables:], 8)
	for i := range min(number(t[efiTableCount:], 8), maxEFITables) {
		e := mem(list+i*efiEntry, efiEntry)
		if len(e) < efiEntry || number(e, 8) != guidSeedLow || number(e[8:], 8) != guidSeedHigh {
			continue
		}
		addr := number(e[16:], 8)
		if head := mem(addr, 4); len(head) == 4 {
			mix(mem(addr+4, uint64(min(u32(head), maxSeed))))
		}
	}
}

// generation returns the address that QEMU's table of the generation ID has, 0 if t is
// another table.
func generation(t []byte) uint64 {
	if len(t) < tableHead || string(t[:4]) != "SSDT" || string(t[tableOEM:tableOEM+7]) != "VMGENID" {
		return 0
	}
	for b := t[tableHead:]; len(b) >= len(generationName)+4; b = b[1:] {
		if string(b[:len(generationName)]) == generationName {
			return number(b[len(generationName):], 4)
		}
	}
	return 0
}
