package selftest

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// An access that a mitigation must stop shows whether the mitigation works. Each
// access is tried twice, without the mitigation and with it. The first must
// succeed, or the failure of the second would prove nothing.

// probe is an object of each CPU: the results of the tries, and the try in
// progress.
type probe struct {
	found  abi.Mitigations
	exit   uintptr // where a provoked fault goes on; 0 while none is expected
	result uint64  // the error code of the fault, with bit 63 set; 0 for none
}

var (
	probes    mem.PerCPU // probe; 0 until prepareMitigations
	probePage mem.UserPage
)

func probeOf(c *percpu.CPU) *probe { return (*probe)(unsafe.Pointer(probes.On(c.ID))) }

// probeLoad reads from addr, probeStore stores the same value there again,
// probeCall calls it. A page fault ends each, and returns to the caller.
func probeLoad(addr uintptr)
func probeStore(addr uintptr)
func probeCall(addr uintptr)

// probeReturnPC is where a provoked fault goes on.
var probeReturnPC uintptr

// provoke makes an access that may fault, and returns the fault's error code with bit
// 63 set, or 0.
//
// Context: interrupts off; the fault is handled on this stack.
func provoke(p *probe, access func(uintptr), addr uintptr) uint64 {
	p.result, p.exit = 0, probeReturnPC
	access(addr)
	p.exit = 0
	return p.result
}

// provoked handles a page fault of the core that could not be resolved, if provoke
// waits for it. See trap.HandleUnresolved.
func provoked(c *percpu.CPU, f *cpu.Frame, _ uintptr) bool {
	if probes == 0 {
		return false
	}
	p := probeOf(c)
	if p.exit == 0 {
		return false
	}
	p.result = 1<<63 | f.Error
	f.IP = uint64(p.exit)
	return true
}

// prepareMitigations makes the probes of all CPUs and a user page, once.
//
// Context: lets other threads run, and may return on another CPU.
func prepareMitigations(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	if probePage.Root == 0 {
		const ret = 0xc3
		probePage = mem.NewUserPage(c, ret)
	}
	if probePage.Root == 0 {
		return c, linux.Fail(linux.ENOMEM)
	}
	if probes == 0 {
		var made mem.PerCPU
		var ok bool
		if c, made, ok = mem.AllocPerCPU(c, unsafe.Sizeof(probe{}), sched.Breathe); !ok {
			return c, linux.Fail(linux.ENOMEM)
		}
		probes = made
	}
	return c, 0
}

// probeMitigations tries this CPU's mitigations. It is a function for package cross.
//
// Context: interrupts off, after prepareMitigations; changes CR3 and CR4, and puts them
// back.
func probeMitigations(c *percpu.CPU, _ uint64) {
	if probes == 0 {
		return
	}
	p := probeOf(c)
	out := &p.found
	cr3, cr4 := cpu.ReadCR3(), cpu.ReadCR4()
	cpu.WriteCR3(uint64(probePage.Root))
	cpu.WriteCR4(cr4 &^ (cpu.CR4SMEP | cpu.CR4SMAP))
	out.FetchOff = provoke(p, probeCall, probePage.Addr)
	out.LoadOff = provoke(p, probeLoad, probePage.Addr)
	cpu.WriteCR4(cr4)
	out.FetchOn = provoke(p, probeCall, probePage.Addr)
	out.LoadOn = provoke(p, probeLoad, probePage.Addr)
	out.FetchData = provoke(p, probeCall, uintptr(unsafe.Pointer(&victims)))
	out.StoreText = provoke(p, probeStore, layout.Image().TextStart)
	cpu.WriteCR3(cr3)
}

// readControls records this CPU's control registers, which must be the same on all
// CPUs. It is a function for package cross.
//
// Context: interrupts off, after prepareMitigations.
func readControls(c *percpu.CPU, _ uint64) {
	if probes == 0 {
		return
	}
	out := &probeOf(c).found
	out.CR0, out.CR4 = cpu.ReadCR0(), cpu.ReadCR4()
	if out.CR4&cpu.CR4XSave != 0 {
		out.XCR0 = cpu.ReadXCR0()
	}
	out.EFER, out.PAT, out.Star = cpu.ReadMSR(cpu.MSREFER), cpu.ReadMSR(cpu.MSRPAT), cpu.ReadMSR(cpu.MSRStar)
	out.DR7, out.LDTR, out.SysenterCS = cpu.ReadDR7(), uint64(cpu.ReadLDT()), cpu.ReadMSR(cpu.MSRSysenterCS)
	out.LStar, out.FMask = cpu.ReadMSR(cpu.MSRLStar), cpu.ReadMSR(cpu.MSRFMask)
	out.APICBase = cpu.ReadMSR(cpu.MSRAPICBase) &^ cpu.APICBaseBSP
	if cpus.FeaturesOf(c).Vendor == cpu.VendorIntel {
		out.Hidden = cpu.ReadMSR(cpu.MSRMiscEnable) & (cpu.MiscLimitCPUID | cpu.MiscNoXD)
	}
	if cpus.FeaturesOf(c).Has(cpu.SpecCtrl) {
		out.Spec = cpu.ReadMSR(cpu.MSRSpecCtrl)
	}
}

func readMitigations(c *percpu.CPU, t *linux.Task, cpu int, found uintptr) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil || probes == 0 {
		return c, linux.Fail(linux.EINVAL)
	}
	out := probeOf(o).found
	if !t.Space.CopyOut(c, found, unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}
