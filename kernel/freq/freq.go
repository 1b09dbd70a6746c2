// Package freq reads the frequencies and the idle states of a CPU: what CPUID and registers of
// Intel and AMD say. It drives nothing.
//
// Layer: pure.
// Context: one goroutine at a time; registers are those of the CPU on which it happens to run.
// Locks: none.
// Manual: Intel SDM vol. 2A, "CPUID", leaves 05H, 06H and 16H; vol. 4, MSR_PLATFORM_INFO, MSR_TURBO_RATIO_LIMIT
// and IA32_PERF_STATUS; AMD64 APM vol. 2, "Hardware Performance Control".
// Chapter: docs/06-interrupts.md.
// Left out: the ratio of APERF and MPERF, which takes an interval on one CPU; energy counters.
package freq

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
)

// Source reads the CPU that runs a call.
type Source struct {
	CPUID func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
	MSR   func(number uint32) (uint64, error)
}

// Frequencies are those of a CPU, in Hz; 0 where it does not tell.
type Frequencies struct {
	Base  uint64   `json:"base_hz,omitempty"`  // by CPUID 16H or a register, nominal
	Most  uint64   `json:"most_hz,omitempty"`  // of one core alone
	Least uint64   `json:"least_hz,omitempty"` // the most efficient one
	Bus   uint64   `json:"bus_hz,omitempty"`
	Now   uint64   `json:"now_hz,omitempty"`   // of this CPU, at the moment
	P     []uint64 `json:"p_states,omitempty"` // AMD's P-states, the fastest first
	From  string   `json:"from"`
	Turbo bool     `json:"turbo"` // the CPU may go above the base frequency
}

// Idle is what a CPU says of its idle states.
type Idle struct {
	Monitor  bool        `json:"monitor"` // MONITOR and MWAIT are there
	Smallest uint16      `json:"monitor_line_smallest,omitempty"`
	Largest  uint16      `json:"monitor_line_largest,omitempty"`
	Breaks   bool        `json:"interrupts_break_mwait"` // even with interrupts off
	States   []IdleState `json:"states"`                 // by MWAIT
	Always   bool        `json:"timer_always_runs"`      // the local APIC's timer, in all of them
}

// IdleState is a state that MWAIT enters.
type IdleState struct {
	Name string `json:"name"`
	Subs uint8  `json:"substates"`
}

const (
	leafIdle     = 5
	leafPower    = 6
	leafMHz      = 0x16
	bitMonitor   = 1 << 3 // leaf 1, ECX
	bitVirtual   = 1 << 31
	bitList      = 1 << 0 // leaf 5, ECX: EDX has the states
	bitBreaks    = 1 << 1
	bitTurbo     = 1 << 1 // leaf 6, EAX
	bitAlways    = 1 << 2
	leafExtended = 0x80000000
	leafAMDPower = 0x80000007
	bitPStates   = 1 << 7 // EDX of the latter: hardware P-states

	msrTurboLimit = 0x1ad
	msrPerfStatus = 0x198
	msrPLimit     = 0xc0010061
	msrPStatus    = 0xc0010063
	pStates       = 8
	pStateValid   = 1 << 63
	pStateBits    = 7
)

// has reports whether the CPU has a basic leaf.
func (s *Source) has(leaf uint32) bool {
	top, _, _, _ := s.CPUID(0, 0)
	return top >= leaf
}

// Frequencies reads the frequencies.
func (s *Source) Frequencies() (f Frequencies) {
	if s.has(leafPower) {
		a, _, _, _ := s.CPUID(leafPower, 0)
		f.Turbo = a&bitTurbo != 0
	}
	if s.has(leafMHz) {
		base, most, bus, _ := s.CPUID(leafMHz, 0)
		f.Base, f.Most, f.Bus = mega(base), mega(most), mega(bus)
		if f.Base != 0 {
			f.From = "CPUID 16H"
		}
	}
	_, b, c, d := s.CPUID(0, 0)
	a, _, features, _ := s.CPUID(1, 0)
	family, model := cpu.FamilyModel(a)
	switch maker := cpu.VendorOf(b, c, d); {
	case features&bitVirtual != 0: // a hypervisor makes the registers up
	case maker == cpu.VendorIntel && family == 6:
		s.intel(&f, model)
	case maker == cpu.VendorAMD && family >= 0x17:
		s.amd(&f, family)
	}
	if f.From == "" {
		f.From = "nothing: the CPU does not tell"
	}
	return f
}

// mega returns Hz for a field of leaf 16H.
func mega(mhz uint32) uint64 { return uint64(mhz&0xffff) * 1e6 }

// intel reads ratios to the bus clock, on the models whose registers are documented.
func (s *Source) intel(f *Frequencies, model uint8) {
	bus := clock.BusOf(model)
	if bus == 0 {
		return
	}
	info, err := s.MSR(cpu.MSRPlatformInfo)
	if err != nil || info>>8&0xff == 0 {
		return
	}
	if f.Bus == 0 {
		f.Bus = bus
	}
	f.From = join(f.From, "MSR_PLATFORM_INFO")
	if f.Base == 0 {
		f.Base = info >> 8 & 0xff * bus
	}
	f.Least = info >> 40 & 0xff * bus
	if limit, err := s.MSR(msrTurboLimit); err == nil && f.Most == 0 {
		f.Most = limit & 0xff * bus
	}
	if status, err := s.MSR(msrPerfStatus); err == nil {
		f.Now = status >> 8 & 0xff * bus
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// amd reads the P-states, and which of them the CPU is in.
func (s *Source) amd(f *Frequencies, family uint16) {
	top, _, _, _ := s.CPUID(leafExtended, 0)
	if top < leafAMDPower {
		return
	}
	if _, _, _, d := s.CPUID(leafAMDPower, 0); d&bitPStates == 0 {
		return
	}
	if limit, err := s.MSR(msrPLimit); err != nil || limit>>4&pStateBits >= pStates {
		return
	}
	for i := range uint32(pStates) {
		v, err := s.MSR(cpu.MSRPState0 + i)
		if err != nil || v&pStateValid == 0 {
			break
		}
		hz := clock.PStateHz(v, family)
		if hz == 0 {
			break
		}
		f.P = append(f.P, hz)
	}
	if len(f.P) == 0 {
		return
	}
	f.From = join(f.From, "P-states")
	if f.Base == 0 {
		f.Base = f.P[0]
	}
	f.Least = f.P[len(f.P)-1]
	if status, err := s.MSR(msrPStatus); err == nil && int(status&pStateBits) < len(f.P) {
		f.Now = f.P[status&pStateBits]
	}
}

// mwaitStates are the names of the states of leaf 5, by the position of their number.
var mwaitStates = [8]string{"C0", "C1", "C2", "C3", "C4", "C5", "C6", "C7"}

// Idle reads the idle states.
func (s *Source) Idle() (i Idle) {
	i.States = []IdleState{}
	_, _, features, _ := s.CPUID(1, 0)
	i.Monitor = features&bitMonitor != 0
	if s.has(leafPower) {
		a, _, _, _ := s.CPUID(leafPower, 0)
		i.Always = a&bitAlways != 0
	}
	if !i.Monitor || !s.has(leafIdle) {
		return i
	}
	a, b, c, d := s.CPUID(leafIdle, 0)
	i.Smallest, i.Largest = uint16(a), uint16(b)
	if c&bitList == 0 {
		return i
	}
	i.Breaks = c&bitBreaks != 0
	for n, name := range mwaitStates {
		if subs := uint8(d >> (4 * n) & 0xf); subs != 0 {
			i.States = append(i.States, IdleState{name, subs})
		}
	}
	return i
}
