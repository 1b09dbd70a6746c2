package cpu

// TSCAdjust is what a CPU's IA32_TSC_ADJUST held when the CPU started: the sum of all that software has
// added to its time-stamp counter since the reset. CPUs of one package are reset together, so their
// counters agree if their registers do. Firmware that writes counters leaves them different.
//
// Source: Intel SDM vol. 3B, "IA32_TSC_ADJUST MSR".
type TSCAdjust struct {
	Has     bool
	Written bool  // the boot CPU's value was written
	Refused bool  // it could not be written, or was not kept
	Found   int64 // the register's value before
}

// leafLevels has the levels of the topology; every CPU with IA32_TSC_ADJUST has it.
const (
	leafLevels = 0x0b
	mostLevels = 8
)

// adjusting is what the register's treatment needs of a CPU. Tests give it simulated ones.
type adjusting struct {
	cpuid func(leaf, sub uint32) (a, b, c, d uint32)
	read  func(msr uint32) (v uint64, ok bool)
	write func(msr uint32, v uint64) (ok bool)
}

var thisAdjusting = adjusting{CPUID, TryReadMSR, TryWriteMSR}

// Adjust reads the register of the CPU that runs the call. If the boot CPU's differs and is in the same
// package, it gets the boot CPU's value, as on Linux, which makes the counters agree again. A hypervisor
// may refuse that, or ignore it: then the comparison decides, too. A CPU in another
// package may have been reset at another time, and its register may be what makes its counter agree: it
// stays, and the comparison of the counters decides. The boot CPU's own value stays too, whatever it is:
// only differences matter, and its counter is the clock already.
//
// Context: on each CPU when it starts; before anything uses the time of a CPU that is not the boot CPU.
func (a *TSCAdjust) Adjust(f *Features, boot *TSCAdjust, id, bootID uint32) {
	a.adjust(&thisAdjusting, f, boot, id, bootID)
}

func (a *TSCAdjust) adjust(m *adjusting, f *Features, boot *TSCAdjust, id, bootID uint32) {
	*a = TSCAdjust{}
	if !f.Has(HasTSCAdjust) {
		return
	}
	v, ok := m.read(MSRTSCAdjust)
	if !ok {
		return
	}
	a.Has, a.Found = true, int64(v)
	if a == boot || !boot.Has || a.Found == boot.Found || !m.samePackage(f, id, bootID) {
		return
	}
	a.Written = m.write(MSRTSCAdjust, uint64(boot.Found))
	if a.Written {
		v, ok = m.read(MSRTSCAdjust)
		a.Written = ok && int64(v) == boot.Found
	}
	a.Refused = !a.Written
}

// samePackage reports whether two APIC ids are of one package, as far as CPUID tells.
func (m *adjusting) samePackage(f *Features, a, b uint32) bool {
	if f.MaxLeaf < leafLevels {
		return false
	}
	shift := uint32(0)
	for sub := range uint32(mostLevels) {
		bits, _, kind, _ := m.cpuid(leafLevels, sub)
		if kind>>8&0xff == 0 {
			break
		}
		shift = bits & 31
	}
	return shift != 0 && a>>shift == b>>shift
}
