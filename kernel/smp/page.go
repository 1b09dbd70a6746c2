package smp

import "muster/kernel/abi"

// The parts of low memory that a trampoline must not use: the interrupt vectors and
// BIOS data below, video memory above.
const (
	lowest  = 0x1000
	highest = 0x9f000
	page    = 0x1000
)

// ChoosePage returns the address of a free page below 1 MiB for the trampoline: the
// highest one in RAM below the extended BIOS data area, because some firmware
// corrupts memory near the bottom. 0 means that there is no such page. ebda is the
// address of that area, 0 if it is not known.
func ChoosePage(regions []abi.Region, ebda uint64) (best uint64) {
	limit := uint64(highest)
	if ebda >= lowest+page && ebda < limit {
		limit = ebda
	}
	for _, r := range regions {
		if r.Type != abi.RegionRAM {
			continue
		}
		start := max((r.Start+page-1)&^(page-1), lowest)
		end := min(r.Start+r.Length, limit) &^ (page - 1)
		if end >= start+page && end-page > best {
			best = end - page
		}
	}
	for _, r := range regions { // an overlapping entry of another type takes precedence
		if r.Type != abi.RegionRAM && best != 0 && r.Start < best+page && r.Start+r.Length > best {
			return ChoosePage(cutAt(regions, best), ebda)
		}
	}
	return best
}

// cutAt returns regions without RAM from addr up to 1 MiB.
func cutAt(regions []abi.Region, addr uint64) (out []abi.Region) {
	for _, r := range regions {
		if r.Type == abi.RegionRAM && r.Start < 1<<20 {
			if r.Start >= addr {
				continue
			}
			r.Length = min(r.Length, addr-r.Start)
		}
		out = append(out, r)
	}
	return out
}
