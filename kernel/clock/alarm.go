package clock

import "muster/kernel/mmio"

// The HPET's comparator 0 as a timer that interrupts once, for CPUs whose own timers do not work, on machines without
// an 8254. It takes the 8254's place: its interrupt comes on line 0 of the 8259s ("LegacyReplacement Route").

const (
	hpetLegacyCap = 1 << 15 // of the capabilities: the first two comparators can replace the PIT and the CMOS clock
	hpetCompare   = 0x108   // comparator 0

	// Of a comparator's configuration.
	hpetTimerLevel    = 1 << 1
	hpetTimerPeriodic = 1 << 3
	hpetTimer32       = 1 << 8
	hpetTimerFSB      = 1 << 14

	// Bounds of an alarm: the nearest one, how often one that has passed is set again, and the farthest one, which
	// is also bounded in counts.
	alarmLeast  = 20 * Microsecond
	alarmTries  = 12
	alarmMost   = Second
	alarmCounts = 1 << 30
	// alarmMargin is the counts that a store of the comparator may take to be in force: some chipsets let it wait.
	// Linux has the same number (HPET_MIN_CYCLES). It is 13 us at the lowest frequency, which is less than alarmLeast.
	alarmMargin = 128
	// alarmError is the part of a time by which the clock may differ from the HPET, as a shift: 120 millionths.
	alarmError = 13
)

// NoLegacyRoute is the problem of an HPET whose comparator cannot take the 8254's place.
const NoLegacyRoute = "its interrupt cannot take the place of the 8254's"

// StartAlarm makes comparator 0 of the HPET interrupt on line 0 of the 8259s. It returns why
// that cannot be, "" if it can; whether an interrupt comes is for the caller to try.
//
// Context: boot CPU, after UseHPET.
func StartAlarm() (problem string) {
	r := &counters[HPET]
	switch {
	case !r.Found():
		return "there is none"
	case !r.Usable():
		return r.Problem
	case mmio.Load32(r.at+hpetCaps)&hpetLegacyCap == 0:
		return NoLegacyRoute
	}
	config := mmio.Load32(r.at+hpetTimer) &^ (hpetTimerLevel | hpetTimerPeriodic | hpetTimerFSB)
	mmio.Store32(r.at+hpetTimer, config|hpetTimer32)
	mmio.Store32(r.at+hpetCompare, mmio.Load32(r.at+hpetMain)-1) // the count that comes last
	mmio.Store32(r.at+hpetTimer, config|hpetTimer32|hpetTimerIRQ)
	mmio.Store32(r.at+hpetConfig, mmio.Load32(r.at+hpetConfig)|hpetLegacy)
	return ""
}

// StopAlarm undoes StartAlarm.
func StopAlarm() {
	at := counters[HPET].at
	mmio.Store32(at+hpetTimer, mmio.Load32(at+hpetTimer)&^hpetTimerIRQ)
	mmio.Store32(at+hpetConfig, mmio.Load32(at+hpetConfig)&^hpetLegacy)
}

// SetAlarm makes the HPET interrupt once, d from now, at most a second, and not before. The comparator interrupts when the
// counter is equal, so a count that has passed before the store is in force would be a whole turn late. So it is compared
// afterwards, and set again, twice as far. A comparator stays set; it interrupts again after a turn of 32 bits, which does no
// harm.
//
// Context: boot CPU, interrupts off, after StartAlarm.
// Source: IA-PC HPET Specification 1.0a, "Non-Periodic Mode".
func SetAlarm(d Time) {
	r := &counters[HPET]
	n := alarmIn(d, r.Hz())
	for range alarmTries {
		at := mmio.Load32(r.at+hpetMain) + n
		mmio.Store32(r.at+hpetCompare, at)
		if inTime(at, mmio.Load32(r.at+hpetMain)) {
			return
		}
		n = min(2*n, alarmCounts)
	}
}

// alarmIn returns the counts that take d, not less, the clock's error included: an alarm before its time would find
// nothing due, and would only be set again.
func alarmIn(d Time, hz uint64) uint32 {
	d = min(max(d, alarmLeast), alarmMost)
	perNS := NewRatio(hz, 1e9)
	return uint32(min(perNS.Of(uint64(d+d>>alarmError+1))+2, alarmCounts)) // 2: what was cut off, and a count that has begun
}

// inTime reports whether the comparator is sure to interrupt at a count, if the counter was at now after the store.
func inTime(at, now uint32) bool { return int32(at-now) >= alarmMargin }
