package sched

// Packing is for machines that should save power. A thread that becomes ready goes to the idle CPU with the lowest number, not to the
// one that ran it last or is near that. So as many CPUs run threads as there are threads that are ready at a time, always the same
// ones, and the others halt until they are needed. The price is that threads find fewer of their data in the caches.

// packs says that threads are packed.
var packs bool

// Pack sets whether threads are packed.
//
// Context: boot CPU, before there are other CPUs.
func Pack(on bool) { packs = on }

// claimLowest takes the idle CPU with the lowest number out of the set.
func claimLowest() (id uint32, ok bool) {
	for id, ok = idle.Next(0); ok; id, ok = idle.Next(id + 1) {
		if idle.Clear(id) {
			return id, true
		}
	}
	return 0, false
}
