package abi

// Timekeeping is what the timekeeper knows.
type Timekeeping struct {
	CPU       uint32 // the timekeeper
	Reference uint32 // the counter with which the clock is compared, a clock.Kind; clock.Kinds for none
	Checks    uint64 // comparisons so far
	Hz        uint64 // the frequency of the time-stamp counter as measured since boot, 0 before
	SlowNS    int64  // by how much the clock was slow at the last check, in nanoseconds; negative: it was fast
	PPB       int64  // the slew because of that, in 10^-9; positive: the clock runs faster than Hz says
	NextNS    int64  // when the next check is due, in nanoseconds from the last; 0: none is

	Watch        uint32 // whether the counter is compared with the reference, a clock.WatchState
	_            uint32
	Windows, Bad uint64 // of time in which they were compared, and those in which they disagreed
	ApartNS      int64  // in the latest of those: by how much the counter was ahead
	OverNS       int64  // and the window's length
}
