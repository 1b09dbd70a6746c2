package main

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/percpu"
	"muster/kernel/shell"
)

// comparisons has the results for the time-stamp counters of the CPUs besides the boot CPU: whether each
// agrees with the boot CPU's. Each CPU is compared when it comes online: at boot for a moment at once, and
// the CPUs that did not answer by then, as on an emulator with many CPUs on few, in the background.
type comparisons struct {
	mu  sync.Mutex
	cpu map[int]*comparison // by number, those that are online

	faulty int // the CPU of the fault tsc:N, 0 for none
}

// comparison is one CPU's.
type comparison struct {
	compared bool
	tries    int
	differs  int    // nanoseconds
	skipped  string // why it is not compared
	adjust   string // what was wrong with its IA32_TSC_ADJUST
}

const (
	// aheadNS is how far the fault tsc:N makes a time-stamp counter be ahead.
	aheadNS = 5_000_000
	// atOnce is how long the comparisons of all CPUs at boot may take before the others are left to the
	// background.
	atOnce = 100 * time.Millisecond
	// mostTries bounds the tries for each CPU, of 2 ms each once it has answered.
	mostTries = 20
	// faultTries is how often the CPU of the fault may fail to answer in time: that it is found is a test.
	faultTries = 500
	// gapFactor and leastGap make background comparisons take a tenth of the boot CPU's time at most.
	gapFactor = 10
	leastGap  = 20 * time.Millisecond
)

// compareTSCs compares the time-stamp counters of the CPUs that are online with the boot CPU's. faulty is the CPU
// of the fault tsc:N, 0 for none.
//
// Context: once, before other CPUs come online.
func (m *hardware) compareTSCs(cpus, faulty int) {
	s := &m.tscs
	s.faulty = faulty
	var rest []int
	began := time.Now()
	for n := 1; n < cpus; n++ {
		if !s.enter(n) {
			continue
		}
		if time.Since(began) > atOnce && faulty == 0 || !s.compare(n, 1) {
			rest = append(rest, n)
		}
	}
	if len(rest) > 0 {
		go s.later(rest)
	}
}

// later compares CPUs one after the other, those that do not answer again in the next round.
func (s *comparisons) later(list []int) {
	for range mostTries {
		var missing []int
		for _, n := range list {
			began := time.Now()
			if !s.compare(n, 1) {
				missing = append(missing, n)
			}
			time.Sleep(max(leastGap, gapFactor*time.Since(began)))
		}
		if list = missing; len(list) == 0 {
			return
		}
	}
}

// joined compares a CPU that has come online after the boot.
func (s *comparisons) joined(n int) {
	if s.enter(n) && !s.compare(n, mostTries/2) {
		go s.later([]int{n})
	}
}

// left forgets a CPU that has gone offline: its counter may be another one when it comes back.
func (s *comparisons) left(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cpu, n)
}

// enter begins the record of a CPU, and reports what was wrong with its IA32_TSC_ADJUST. ok is false if the CPU is
// not online.
func (s *comparisons) enter(n int) (ok bool) {
	c, err := kcall.CPUInfo(n)
	b, also := kcall.CPUInfo(0)
	if err != nil || also != nil || c.State != percpu.Online {
		return false
	}
	r := &comparison{adjust: adjustProblem(c, b)}
	if r.adjust != "" {
		klog.Warnf("clock: cpu%d: IA32_TSC_ADJUST: %s", n, r.adjust)
	}
	if c.ApartNS != 0 {
		r.compared, r.differs = true, int(max(c.ApartNS, -c.ApartNS))
		r.report(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cpu == nil {
		s.cpu = map[int]*comparison{}
	}
	s.cpu[n] = r
	return true
}

// adjustProblem returns what was wrong with the IA32_TSC_ADJUST of a CPU, "" for nothing. boot is the boot CPU.
func adjustProblem(c, boot *abi.CPU) string {
	switch {
	case c.Adjusted&abi.AdjustHas == 0 || boot.Adjusted&abi.AdjustHas == 0 || c.Adjust == boot.Adjust:
		return ""
	case c.Adjusted&abi.AdjustWritten != 0:
		return fmt.Sprintf("it was %d, and has the boot CPU's value %d now", c.Adjust, boot.Adjust)
	case c.Adjusted&abi.AdjustRefused != 0:
		return fmt.Sprintf("it is %d, and did not take the boot CPU's value %d", c.Adjust, boot.Adjust)
	}
	return fmt.Sprintf("it is %d, the boot CPU's is %d; it stays, as the CPU is in another package", c.Adjust, boot.Adjust)
}

// compare compares a CPU until it answers, tries times at most. It reports whether nothing is left to do.
//
// Locks: takes mu, so one comparison runs at a time.
func (s *comparisons) compare(n, tries int) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.cpu[n]
	if r == nil || r.compared || r.skipped != "" {
		return true
	}
	switch {
	case clock.Trusted():
		r.skipped = "tsc=reliable"
	case clock.Clock() == clock.Held:
		r.skipped = "each reading of the clock compares it"
	case clock.Clock() != clock.Kinds:
		r.skipped = "the time-stamp counter is not the clock"
	}
	if r.skipped != "" {
		return true
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if kcall.Pin(0) != nil {
		return false
	}
	defer kcall.Pin(abi.AnyCPU)
	ahead := int64(0)
	if n == s.faulty {
		tries, ahead = faultTries, aheadNS
	}
	for range tries {
		r.tries++
		differs, err := kcall.CompareTSC(n, ahead)
		switch err {
		case nil:
			r.compared, r.differs = true, differs
			r.report(n)
			return true
		case syscall.EINVAL: // it has gone offline
			delete(s.cpu, n)
			return true
		}
	}
	return false
}

// report logs a counter that differs.
func (r *comparison) report(n int) {
	if r.differs == 0 {
		return
	}
	then := "the clock may step back between CPUs, because a check of the timekeeper's has not ended"
	if kind := clock.Clock(); kind != clock.Kinds {
		then = kind.String() + " is the clock, and each reading is a system call"
	}
	if clock.Clock() == clock.Held {
		then = "no HPET and no ACPI PM timer counts: " + then
	}
	klog.Warnf("clock: the time-stamp counter of cpu%d differs by %.3f ms from another CPU's: %s", n, float64(r.differs)/1e6, then)
}

// list returns the result of each CPU, in order.
func (s *comparisons) list() []shell.TimeCPU {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []shell.TimeCPU{}
	for n := 1; len(rows) < len(s.cpu) && n < percpu.Max; n++ {
		r := s.cpu[n]
		if r == nil {
			continue
		}
		row := shell.TimeCPU{CPU: n, Compared: r.compared, Adjust: r.adjust}
		switch {
		case r.differs != 0:
			row.State = fmt.Sprintf("differs from the boot CPU's by %.3f ms", float64(r.differs)/1e6)
		case r.compared:
			row.State = "agrees with the boot CPU's"
		case r.skipped != "":
			row.State = "not compared: " + r.skipped
		case r.tries == 0:
			row.State = "not compared yet"
		default:
			row.State = fmt.Sprintf("not compared: no quick answer, tries: %d", r.tries)
		}
		rows = append(rows, row)
	}
	return rows
}
