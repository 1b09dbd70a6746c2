package boot

// The firmware's tables usually lie in memory that the map does not call RAM. Some
// firmware leaves them in RAM, and then the kernel must not use that RAM: it reads the
// tables when the Go runtime runs. This file finds where they lie, and no more;
// package acpi decodes them.

// Layout of the root pointer and of the tables (ACPI Specification, "Root System
// Description Pointer (RSDP)", "System Description Table Header" and "Fixed ACPI
// Description Table (FADT)").
const (
	rsdpSize      = 20
	rsdpFullSize  = 36
	rsdpRevision  = 15
	rsdpRSDT      = 16
	rsdpXSDT      = 24
	tableHead     = 36
	tableLength   = 4
	fadtFACS      = 36
	fadtDSDT      = 40
	fadtFACS64    = 132
	fadtDSDT64    = 140
	maxTable      = 16 << 20 // as package acpi
	maxTables     = 4096     // as package acpi
	maxFACS       = 4096     // its 64 bytes, with room for later versions
	ebdaSegment   = 0x40e    // BIOS data area: the segment of the extended one
	biosStart     = 0xe0000
	biosEnd       = 0x100000
	rsdpSignature = "RSD PTR "
)

// Tables calls keep with each range of memory that the firmware's tables occupy: the
// root pointer, the list that it points to, and each table of that list. A table whose
// checksum is wrong is not one, and memory that mem cannot read is left out.
func (in *Info) Tables(mem Memory, keep func(start, n uint64)) {
	root := in.RSDP
	if root == nil {
		addr := in.RSDPAddr
		if addr == 0 {
			addr = findRSDP(mem)
		}
		if root = rsdpAt(mem, addr); root != nil {
			keep(addr, uint64(len(root)))
		}
	}
	if len(root) < rsdpSize {
		return
	}
	if len(root) >= rsdpFullSize && root[rsdpRevision] >= 2 {
		if list := table(mem, number(root[rsdpXSDT:], 8), keep); list != nil {
			in.tablesOf(mem, list, 8, keep)
			return
		}
	}
	if list := table(mem, number(root[rsdpRSDT:], 4), keep); list != nil {
		in.tablesOf(mem, list, 4, keep)
	}
}

// tablesOf keeps the tables of a list whose entries have width bytes, and notes the counters
// that they name.
func (in *Info) tablesOf(mem Memory, list []byte, width int, keep func(start, n uint64)) {
	for i := 0; i < maxTables && tableHead+(i+1)*width <= len(list); i++ {
		t := table(mem, number(list[tableHead+i*width:], width), keep)
		if t == nil {
			continue
		}
		in.Counters.note(t)
		if string(t[:4]) != "FACP" {
			continue
		}
		// The FADT points to two more.
		for _, f := range [4]struct{ at, width int }{{fadtDSDT, 4}, {fadtDSDT64, 8}, {fadtFACS, 4}, {fadtFACS64, 8}} {
			if f.at+f.width > len(t) {
				continue
			}
			addr := number(t[f.at:], f.width)
			if f.at == fadtDSDT || f.at == fadtDSDT64 {
				table(mem, addr, keep)
			} else if h := mem(addr, 8); len(h) == 8 && string(h[:4]) == "FACS" { // it has no checksum
				keep(addr, uint64(min(u32(h[tableLength:]), maxFACS)))
			}
		}
	}
}

// table keeps the table at addr and returns it, nil if there is none.
func table(mem Memory, addr uint64, keep func(start, n uint64)) []byte {
	if addr == 0 {
		return nil
	}
	head := mem(addr, tableHead)
	if len(head) < tableHead {
		return nil
	}
	n := u32(head[tableLength:])
	if n < tableHead || n > maxTable {
		return nil
	}
	t := mem(addr, uint64(n))
	if t == nil || sum(t) != 0 {
		return nil
	}
	keep(addr, uint64(n))
	return t
}

// findRSDP searches where the BIOS of a PC leaves the root pointer, 0 if it is not there.
//
// Source: ACPI Specification, "Finding the RSDP on IA-PC Systems".
func findRSDP(mem Memory) uint64 {
	if b := mem(ebdaSegment, 2); len(b) == 2 {
		ebda := number(b, 2) << 4
		if addr := scanRSDP(mem, ebda, ebda+1024); ebda != 0 && addr != 0 {
			return addr
		}
	}
	return scanRSDP(mem, biosStart, biosEnd)
}

func scanRSDP(mem Memory, from, to uint64) uint64 {
	for addr := from; addr < to; addr += 16 {
		if rsdpAt(mem, addr) != nil {
			return addr
		}
	}
	return 0
}

// rsdpAt returns the root pointer at addr, nil if there is none.
func rsdpAt(mem Memory, addr uint64) []byte {
	b := mem(addr, rsdpSize)
	if len(b) < rsdpSize || string(b[:8]) != rsdpSignature || sum(b) != 0 {
		return nil
	}
	if full := mem(addr, rsdpFullSize); b[rsdpRevision] >= 2 && len(full) == rsdpFullSize {
		return full
	}
	return b
}

// sum adds all bytes; it is 0 for what carries a right checksum.
func sum(b []byte) (s uint8) {
	for _, x := range b {
		s += x
	}
	return s
}
