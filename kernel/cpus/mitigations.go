package cpus

import (
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/random"
	"muster/kernel/sched"
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
	cr4Allowed, xcr0Allowed = uint32(cpu.ReadCR4())&cpu.CR4Wanted, uint32(trap.Components())
	f.ClearLeftovers()
	f.SetNumber(c.ID)
	AdjustOf(c).Adjust(f, AdjustOf(c), c.APICID, c.APICID)
	mitigate(f)
	crash.StartMachineChecks(c, f)
	sched.HideX87Pointers(f.X87Leak())
	if f.Has(cpu.SMAP) {
		mem.UseSMAP()
	}
	if on, _ := f.Mitigation(cpu.MitigateIBPB); on {
		mem.UseBarrier()
	}
	if clear, _ := f.Mitigation(cpu.MitigateBuffers); clear || clearAlways {
		trap.ClearBuffers()
	}
}

// mitigateAP turns the mitigations of an AP on. It reports false on a CPU that
// lacks a feature that the boot CPU has and the kernel relies on: see Features.Fits. The
// generator of random numbers uses RDSEED and RDRAND on any CPU, and a vector state that
// one CPU has saved goes to any other.
//
// Context: once on each CPU but the boot CPU.
func mitigateAP(c *percpu.CPU) (ok bool) {
	f := FeaturesOf(c)
	f.Detect()
	if !f.Fits(bootFeatures()) || !random.Fits(f) || trap.XSave() && cpu.ReadXCR0() != trap.Components() {
		return false
	}
	if on, _ := bootFeatures().Mitigation(cpu.MitigateIBPB); on {
		if here, _ := f.Mitigation(cpu.MitigateIBPB); !here { // the register would be a fault
			return false
		}
	}
	f.ClearLeftovers()
	f.SetNumber(c.ID)
	boot := percpu.Get(0)
	AdjustOf(c).Adjust(f, AdjustOf(boot), c.APICID, boot.APICID)
	mitigate(f)
	crash.StartMachineChecks(c, f)
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
