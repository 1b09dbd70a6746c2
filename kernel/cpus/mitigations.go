package cpus

import (
	"muster/kernel/cpu"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/trap"
)

// bootFeatures returns the boot CPU's features, which decide for all CPUs.
func bootFeatures() *cpu.Features { return FeaturesOf(percpu.Get(0)) }

// MitigateBoot turns the boot CPU's mitigations on, see cpu.Features.Mitigation.
// With clearAlways, CPUs that do not need it clear their buffers too.
//
// Context: boot CPU, once, after InitBoot.
func MitigateBoot(c *percpu.CPU, clearAlways bool) {
	f := FeaturesOf(c)
	f.Detect()
	mitigate(f)
	if f.Has(cpu.SMAP) {
		mem.UseSMAP()
	}
	if clear, _ := f.Mitigation(cpu.MitigateBuffers); clear || clearAlways {
		trap.ClearBuffers()
	}
}

// mitigateAP turns the mitigations of an AP on. It reports false on a CPU that
// lacks a feature that the boot CPU has and the kernel relies on: the entry stubs
// of a kernel with SMAP contain CLAC, which is undefined on a CPU without SMAP.
//
// Context: once on each CPU but the boot CPU.
func mitigateAP(c *percpu.CPU) (ok bool) {
	f := FeaturesOf(c)
	f.Detect()
	if bootFeatures().Has(cpu.SMAP) && !f.Has(cpu.SMAP) {
		return false
	}
	mitigate(f)
	return true
}

// mitigate sets CR4 and the speculation controls of this CPU.
func mitigate(f *cpu.Features) {
	bits := f.MitigationCR4()
	if !bootFeatures().Has(cpu.SMAP) {
		bits &^= cpu.CR4SMAP // without SMAP the entry stubs have no CLAC
	}
	cpu.WriteCR4(cpu.ReadCR4() | bits)
	f.SetSpeculation()
}
