package cpu

// ClearLeftovers gives those registers of this CPU that could change what the core or a
// program does, and that nothing else sets, the values that they have after a reset,
// whatever firmware or a kernel before this one has left in them. The PAT gets a memory type
// for framebuffers as well. The memory type registers (MTRRs) stay: they are the firmware's.
//
// Context: once on each CPU, before it runs a program.
// Source: Intel SDM vol. 3A, "Processor State After Reset", "Programming the PAT" and
// "Operations that Invalidate TLBs and Paging-Structure Caches"; vol. 3B, "Debug
// Registers" and "IA32_DEBUGCTL MSR".
func (f *Features) ClearLeftovers() {
	writeDR7(DR7Clear) // or a breakpoint of before would hit the core
	WriteDR6(DR6Clear)
	WriteMSR(MSRSysenterCS, 0) // or SYSENTER would lead ring 3 to an address of before, in ring 0
	WriteMSR(MSRSysenterSP, 0)
	WriteMSR(MSRSysenterIP, 0)
	if f.Vendor != VendorOther {
		WriteMSR(MSRDebugCtl, 0) // single steps are steps, not branches
	}
	if f.Has(PAT) && ReadMSR(MSRPAT) != PATWanted {
		writeBack() // no line of a memory type of before stays in the caches
		WriteMSR(MSRPAT, PATWanted)
		cr4 := ReadCR4()
		WriteCR4(cr4 &^ CR4GlobalPage) // drops the whole TLB; a write to CR3 would keep global entries
		WriteCR4(cr4)
		writeBack()
	}
}

// SetNumber makes RDTSCP return the number of this CPU, by which programs know where they
// run.
//
// Context: once on each CPU, before it runs a program.
// Source: Intel SDM vol. 3B, "IA32_TSC_AUX Register and RDTSCP Support".
func (f *Features) SetNumber(id uint32) {
	if f.Has(RDTSCP) {
		WriteMSR(MSRTSCAux, uint64(id))
	}
}
