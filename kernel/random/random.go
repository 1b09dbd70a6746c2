package random

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// generator is the state; the zero value has been given nothing.
type generator struct {
	key    [8]uint32
	blocks uint32    // since the last input
	left   int       // words of out that are not given away yet
	out    [4]uint64 // taken from the end, and cleared
}

// The common state takes the input. The generators of the CPUs have their keys from it.
var (
	mu      = lock.Spin{Rank: lock.RankRandom}
	state   generator
	sources Sources
)

// mixIn makes the key depend on v. The key before cannot be computed from the key after
// and v.
func (g *generator) mixIn(v uint64) {
	nonce := [3]uint32{uint32(v), uint32(v >> 32), 1}
	b := block(&g.key, 0, &nonce)
	copy(g.key[:], b[:8])
	g.blocks, g.left, g.out = 0, 0, [4]uint64{}
}

// next returns 64 bits. Half of each block replaces the key.
func (g *generator) next() uint64 {
	if g.left == 0 {
		nonce := [3]uint32{g.blocks, 0, 2}
		b := block(&g.key, 1, &nonce)
		copy(g.key[:], b[:8])
		for i := range g.out {
			g.out[i] = uint64(b[8+2*i]) | uint64(b[9+2*i])<<32
		}
		g.left = len(g.out)
		g.blocks++
	}
	g.left--
	v := g.out[g.left]
	g.out[g.left] = 0
	return v
}

// renewal is how many blocks of output come between two inputs.
const renewal = 64

// Generator is the generator of one CPU, with a key of its own: CPUs that draw numbers at
// once do not wait for each other.
type Generator struct {
	own   generator
	keyed bool
}

// Uint64 returns 64 random bits, of the CPU's own generator if it has one yet.
//
// Context: interrupts off, so nothing else on this CPU uses the generator; not in an NMI.
// Locks: takes random.mu, once in renewal blocks.
func Uint64(c *percpu.CPU) uint64 {
	g := (*Generator)(unsafe.Pointer(c.Random))
	if g == nil {
		return draw(c)
	}
	if g.own.left == 0 && (g.own.blocks >= renewal || !g.keyed) {
		g.renew(c)
	}
	return g.own.next()
}

// renew mixes numbers of the common state into the key.
//
// Locks: takes random.mu.
func (g *Generator) renew(c *percpu.CPU) {
	for range len(g.own.out) {
		g.own.mixIn(draw(c))
	}
	g.keyed = true
}

// draw returns 64 bits of the common state.
//
// Locks: takes random.mu.
func draw(c *percpu.CPU) uint64 {
	mu.Lock(c)
	if state.left == 0 && state.blocks >= renewal {
		stir(&state)
	}
	v := state.next()
	mu.Unlock(c)
	return v
}

// stir mixes in the time, and a number of the hardware's generator if it works.
func stir(g *generator) {
	g.mixIn(cpu.TSC())
	if v, ok := sources.draw(); ok {
		g.mixIn(v)
	}
}
