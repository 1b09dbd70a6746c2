package start

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// Whether a protection bites is seen by an access that it must stop. Each is tried
// twice, without the protection and with it: the first try must go through, or the
// second, which must not, would prove nothing.

// guardProbe is what came of it on one CPU: the error code of the page fault, with
// bit 63 set, or 0 where there was none.
type guardProbe struct {
	fetchOff, fetchOn uint64 // a fetch from a user page, without SMEP and with
	loadOff, loadOn   uint64 // a load from a user page, without SMAP and with
	fetchData         uint64 // a fetch from the kernel's data: NX
	storeText         uint64 // a store to the kernel's text: CR0.WP
}

// probeLoad reads from addr, probeStore writes what is there, probeCall calls it;
// a page fault ends each, and returns to the caller.
func probeLoad(addr uintptr)
func probeStore(addr uintptr)
func probeCall(addr uintptr)

// probeReturnPC is where a provoked fault goes on.
var probeReturnPC uintptr

// provoke makes an access that may fault, and returns the fault's error code with bit
// 63 set, or 0.
//
// Context: interrupts off; the fault is handled on this stack.
func provoke(c *percpu.CPU, access func(uintptr), addr uintptr) uint64 {
	c.Probed, c.Probe = 0, probeReturnPC
	access(addr)
	c.Probe = 0
	return c.Probed
}

// coreFault answers a page fault inside the core: one that provoke waits for, or one of
// the functions that touch user memory. See upcall.Table.
func coreFault(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool {
	if c.Probe != 0 {
		c.Probed = 1<<63 | f.Error
		f.IP = uint64(c.Probe)
		return true
	}
	return linux.CoreFault(c, f, addr)
}

var probePage mem.UserPage

// prepareProbe makes the user page for probeGuards; once. It reports false when there
// is no memory for it.
//
// Context: one caller at a time, which a test of the kernel in itself is.
func prepareProbe(c *percpu.CPU) bool {
	if probePage.Root == 0 {
		const ret = 0xc3
		probePage = mem.NewUserPage(c, ret)
	}
	return probePage.Root != 0
}

// probeGuards tries this CPU's protections. It is a function for package cross.
//
// Context: interrupts off; changes CR3 and CR4, and puts them back.
func probeGuards(c *percpu.CPU, _ uint64) {
	p := &areaOf(c).probe
	*p = guardProbe{}
	cr3, cr4 := cpu.ReadCR3(), cpu.ReadCR4()
	cpu.WriteCR3(uint64(probePage.Root))
	cpu.WriteCR4(cr4 &^ (cpu.CR4SMEP | cpu.CR4SMAP))
	p.fetchOff = provoke(c, probeCall, probePage.Addr)
	p.loadOff = provoke(c, probeLoad, probePage.Addr)
	cpu.WriteCR4(cr4)
	p.fetchOn = provoke(c, probeCall, probePage.Addr)
	p.loadOn = provoke(c, probeLoad, probePage.Addr)
	p.fetchData = provoke(c, probeCall, uintptr(unsafe.Pointer(&victims)))
	p.storeText = provoke(c, probeStore, layout.Image().TextStart)
	cpu.WriteCR3(cr3)
}

// controls are the registers that all CPUs must have alike.
type controls struct {
	cr0, cr4, xcr0, efer, pat, star, lstar, fmask, spec, apicBase uint64
}

// readControls notes this CPU's control registers. It is a function for package cross.
//
// Context: interrupts off.
func readControls(c *percpu.CPU, _ uint64) {
	a := areaOf(c)
	a.controls = controls{
		cr0: cpu.ReadCR0(), cr4: cpu.ReadCR4(), xcr0: cpu.ReadXCR0(),
		efer: cpu.ReadMSR(cpu.MSREFER), pat: cpu.ReadMSR(cpu.MSRPAT), star: cpu.ReadMSR(cpu.MSRStar),
		lstar: cpu.ReadMSR(cpu.MSRLStar), fmask: cpu.ReadMSR(cpu.MSRFMask),
		apicBase: cpu.ReadMSR(cpu.MSRAPICBase) &^ cpu.APICBaseBSP,
	}
	if a.features.Has(cpu.SpecCtrl) {
		a.controls.spec = cpu.ReadMSR(cpu.MSRSpecCtrl)
	}
}

// protections fills in what probeGuards and readControls have found on a CPU.
func protections(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	a := areaOf(percpu.Get(uint32(f.DI)))
	out := [16]uint64{a.probe.fetchOff, a.probe.fetchOn, a.probe.loadOff, a.probe.loadOn, a.probe.fetchData, a.probe.storeText}
	k := &a.controls
	copy(out[6:], (*[10]uint64)(unsafe.Pointer(k))[:])
	if !t.Space.CopyOut(c, uintptr(f.SI), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}
