package clock

// calibration is the machine's; see Calibrated.
var calibration Calibration

// Calibrated returns the result of Calibrate.
func Calibrated() *Calibration { return &calibration }

// claimedHz is an injected fault: what CPUID leaf 15H says, 0 for what it really says.
var claimedHz uint64

// Claim injects that fault.
//
// Context: boot CPU, before Calibrate.
func Claim(hz uint64) { claimedHz = hz }

// Calibrate finds the frequency of the time-stamp counter (TSC) and sets it. It first takes what
// CPU and hypervisor say, then measures the TSC against every counter that was taken into use
// and against the PIT, and chooses. ok is false when there is no source: CalibrateCMOS follows.
//
// Context: boot CPU, before others start; takes 10 to 50 ms.
// Source: Intel SDM vol. 3B, "Determining the Processor Base Frequency".
func Calibrate() (r *Calibration, ok bool) {
	r = &calibration
	r.claims(&thisCPU)
	StartPIT()
	counters[PIT].Probe()
	exact := !r.Says(FromCPUID) && !r.Says(FromHypervisor)
	results := machine.measure(&counters, exact)
	StopPIT()
	for k := range results {
		r.Readings[FromHPET+Source(k)] = results[k]
	}
	if ok = r.choose(); ok {
		SetHz(r.Hz())
	}
	return r, ok
}

// claims takes what CPU and hypervisor say.
func (r *Calibration) claims(q *claimant) {
	hz, crystal, exact := q.crystal()
	r.Crystal = crystal
	switch {
	case claimedHz != 0:
		r.Readings[FromCPUID].Hz = claimedHz
	case exact:
		r.Readings[FromCPUID].Hz = hz
	}
	r.Readings[FromHypervisor].Hz, r.TimerHz = q.hypervisor()
	if r.TimerHz == 0 && exact {
		r.TimerHz = crystal
	}
	r.Readings[FromRegister].Hz = q.register()
	r.Readings[FromBase].Hz = q.base()
}

// CalibrateCMOS measures the TSC against the CMOS clock, for a machine on which nothing else
// counts, and sets its frequency. ok is false when that stands still too: then the kernel runs
// on with a number without a reason.
//
// Context: boot CPU, before others start; takes 1 to 2 s, or up to 20 s if the clock stands still.
func CalibrateCMOS() (ok bool) {
	r := &calibration
	r.Readings[FromCMOS], r.CMOS = machineCMOS.measure()
	if ok = r.choose(); !ok {
		r.Chosen = FromNothing
		r.Readings[FromNothing].Hz = guessHz // so that no wait is too short for the hardware
	}
	SetHz(r.Hz())
	return ok
}
