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
// highest one below the extended BIOS data area, because some firmware corrupts memory
// near the bottom. 0 means that there is no such page. free is RAM in whole pages,
// without overlaps; ebda is the address of that area, 0 if it is not known.
func ChoosePage(free []abi.Region, ebda uint64) (best uint64) {
	limit := uint64(highest)
	if ebda >= lowest+page && ebda < limit {
		limit = ebda
	}
	for _, r := range free {
		end := min(r.Start+r.Length, limit) &^ (page - 1)
		if end >= max(r.Start, lowest)+page && end-page > best {
			best = end - page
		}
	}
	return best
}
