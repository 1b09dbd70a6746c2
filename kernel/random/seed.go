package random

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Sources says which instructions of the CPU give random numbers.
type Sources struct {
	RDSeed, RDRand bool
}

// Poor reports that no instruction does. An attacker who can guess the times of the boot
// can then guess what the generator returns.
func (s Sources) Poor() bool { return !s.RDSeed && !s.RDRand }

// draw returns a number of the better source.
func (s Sources) draw() (uint64, bool) {
	if s.RDSeed {
		if v, ok := try(cpu.RDSeed); ok {
			return v, true
		}
	}
	if s.RDRand {
		return try(cpu.RDRand)
	}
	return 0, false
}

// tries is how often an instruction is repeated that has no number ready (Intel SDM
// vol. 1, "RDRAND": ten times).
const tries = 10

func try(read func() (uint64, bool)) (v uint64, ok bool) {
	for range tries {
		if v, ok = read(); ok {
			return v, true
		}
		cpu.Pause()
	}
	return 0, false
}

// sampled is how many numbers an instruction is judged by.
const sampled = 8

// works reports whether an instruction returns numbers that are not constant. Some AMD
// CPUs return the same number each time after they have slept, all bits set, and report
// success.
//
// Source: AMD's erratum on RDRAND of families 15H and 16H, to which systemd and Linux
// answer in the same way.
func works(read func() (uint64, bool)) bool {
	var seen [sampled]uint64
	for i := range seen {
		v, ok := try(read)
		if !ok || v == 0 || v == ^uint64(0) {
			return false
		}
		seen[i] = v
		for _, before := range seen[:i] {
			if v == before {
				return false
			}
		}
	}
	return true
}

// jitterRounds is how many intervals of the time-stamp counter are mixed in.
const jitterRounds = 256

// Mix gives the generator bytes that differ from machine to machine, or from boot to boot.
// It is no worse for bytes that do not.
//
// Context: boot CPU.
// Locks: takes random.mu.
func Mix(c *percpu.CPU, b []byte) {
	mu.Lock(c)
	state.mixBytes(b)
	mu.Unlock(c)
}

// Seed gives the generator its first state, besides what Mix was given: the command line, the
// date of the real-time clock, jitter of the time-stamp counter, and numbers of RDSEED
// and RDRAND, as far as the CPU has them and they work.
//
// Context: boot CPU, before others start; once.
// Locks: takes random.mu.
func Seed(c *percpu.CPU, f *cpu.Features, information []byte, date int64) Sources {
	found := Sources{RDSeed: f.Has(cpu.FeatureRDSeed) && works(cpu.RDSeed), RDRand: f.Has(cpu.FeatureRDRand) && works(cpu.RDRand)}
	mu.Lock(c)
	g := &state
	sources = found
	g.mixIn(uint64(date))
	g.mixBytes(information)
	g.jitter()
	for range len(g.key) {
		if v, ok := (Sources{RDSeed: found.RDSeed}).draw(); ok {
			g.mixIn(v)
		}
		if v, ok := (Sources{RDRand: found.RDRand}).draw(); ok {
			g.mixIn(v)
		}
	}
	g.mixIn(cpu.TSC())
	mu.Unlock(c)
	if own := (*Generator)(unsafe.Pointer(c.Random)); own != nil {
		*own = Generator{} // its key is from before
	}
	return found
}

// Fits reports whether a CPU has the instructions that the generator uses: on another CPU
// they are undefined.
func Fits(f *cpu.Features) bool {
	return (!sources.RDSeed || f.Has(cpu.FeatureRDSeed)) && (!sources.RDRand || f.Has(cpu.FeatureRDRand))
}

// mixBytes mixes in all of b, eight bytes at a time.
func (g *generator) mixBytes(b []byte) {
	g.mixIn(uint64(len(b)))
	for len(b) > 0 {
		v := uint64(0)
		n := min(len(b), 8)
		for _, x := range b[:n] {
			v = v<<8 | uint64(x)
		}
		g.mixIn(v)
		b = b[n:]
	}
}

// jitter mixes in how long port and memory accesses take, in ticks. Caches, refresh and
// other users of the memory move the low bits.
func (g *generator) jitter() {
	const delayPort = 0x80 // POST codes; a read has no effect
	for range jitterRounds {
		began := cpu.TSC()
		cpu.In8(delayPort)
		g.mixIn(cpu.TSCOrdered() - began)
		g.mixIn(cpu.TSC())
	}
}
