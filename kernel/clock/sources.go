package clock

// Source is where the frequency of the time-stamp counter (TSC) comes from.
type Source uint8

// Sources, in the order in which they are chosen: exact values of CPU or hypervisor,
// measurements, nominal values, and the CMOS clock's second, which takes seconds to measure.
const (
	FromCPUID      Source = iota // leaf 15H: crystal clock and ratio
	FromHypervisor               // leaf 4000_0010H
	FromHPET
	FromPMTimer
	FromPIT
	FromRegister // AMD's P-state 0, Intel's MSR_PLATFORM_INFO
	FromBase     // CPUID leaf 16H
	FromCMOS     // the CMOS clock's second
	FromNothing  // no source: a number without a reason
	Sources
)

var sourceNames = [Sources]string{"CPUID 15H", "hypervisor", "HPET", "ACPI PM timer", "PIT", "MSR", "CPUID 16H", "CMOS clock", "nothing"}

// String returns the source's name for log and listings.
func (s Source) String() string {
	if s >= Sources {
		return "unknown"
	}
	return sourceNames[s]
}

// Reading is what one source says of the TSC's frequency.
type Reading struct {
	Hz  uint64 // 0: it says nothing
	PPM uint32 // of a measurement: the bound on its error, in millionths
}

// Calibration is the result of Calibrate. It does not change afterwards.
type Calibration struct {
	Readings [Sources]Reading
	Chosen   Source
	Refused  uint32  // bits by Source: more of the others agree with each other than with it
	CMOS     string  // the CMOS clock's problem, "" if it was not needed or counted
	Crystal  uint64  // Hz, by CPUID leaf 15H or the model's; 0 if it is not known
	TimerHz  uint64  // of the local APIC's timer before its divider, as CPU or hypervisor say; 0 if they do not
	Timer    Reading // of that timer after its divider, measured
	Dead     string  // the timer's problem, "" if it counts
}

// Hz returns the chosen frequency.
func (r *Calibration) Hz() uint64 { return r.Readings[r.Chosen].Hz }

// Says reports whether a source says a frequency.
func (r *Calibration) Says(s Source) bool { return r.Readings[s].Hz != 0 }

// Apart returns how far a source is from the chosen one, in millionths.
func (r *Calibration) Apart(s Source) uint64 { return apart(r.Readings[s].Hz, r.Hz()) }

// Disagrees reports whether a source is more than 1% from the chosen one.
func (r *Calibration) Disagrees(s Source) bool { return r.Says(s) && r.Apart(s) > agreePPM }

// choose takes the first source that says a frequency and is not refused. ok is false when none does.
func (r *Calibration) choose() (ok bool) {
	r.Refused = 0
	for s := range FromNothing {
		if r.Says(s) && r.outvoted(s) {
			r.Refused |= 1 << s
		}
	}
	for s := range FromNothing {
		if r.Says(s) && r.Refused>>s&1 == 0 {
			r.Chosen = s
			return true
		}
	}
	return false
}

// outvoted reports whether another frequency has more sources, and at least two. So two sources
// that differ leave the choice to their order, and the frequency with the most sources stays.
func (r *Calibration) outvoted(s Source) bool {
	mine := r.supporters(s)
	for a := range FromNothing {
		if r.Says(a) && !r.near(a, s) && r.supporters(a) > mine {
			return true
		}
	}
	return false
}

// supporters returns how many sources say what s says, to 1%, itself included.
func (r *Calibration) supporters(s Source) (n int) {
	for a := range FromNothing {
		if r.Says(a) && r.near(a, s) {
			n++
		}
	}
	return n
}

func (r *Calibration) near(a, b Source) bool {
	return apart(r.Readings[a].Hz, r.Readings[b].Hz) <= agreePPM
}
