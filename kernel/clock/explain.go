package clock

// What the choice of a source rests on, in words.

// Reason returns why the chosen source was chosen.
func (r *Calibration) Reason() string {
	switch r.Chosen {
	case FromCPUID, FromHypervisor:
		return "it says what the counter's clock is made of"
	case FromHPET, FromPMTimer, FromPIT:
		return "the first counter that counts"
	case FromRegister, FromBase:
		return "no counter counts; a nominal frequency"
	case FromCMOS:
		return "nothing else says a frequency"
	}
	return "no source says a frequency: the date and spans of time are wrong"
}

// State returns what became of a source.
func (r *Calibration) State(s Source) string {
	switch {
	case s == r.Chosen:
		return "chosen"
	case r.Says(s) && r.Refused>>s&1 != 0:
		return "refused: more sources agree with one another"
	case r.Disagrees(s):
		return "disagrees"
	case r.Says(s):
		return "agrees"
	case s == FromCMOS && r.CMOS == "":
		return "not needed"
	case s == FromCMOS:
		return r.CMOS
	case s >= FromHPET && s <= FromPIT && counters[s-FromHPET].found:
		return counters[s-FromHPET].Problem
	}
	return "absent"
}

// Exact reports whether a source says what the counter's clock is made of, and Nominal whether
// it says a product of rounded numbers. The others are measurements.
func (s Source) Exact() bool   { return s == FromCPUID || s == FromHypervisor }
func (s Source) Nominal() bool { return s == FromRegister || s == FromBase }
