package cpu

import "sync/atomic"

// RDRand is the CPUID bit of the RDRAND instruction.
const RDRand Feature = word1C | 30

var (
	haveRDRand bool
	mixState   atomic.Uint64
)

func rdrand() (v uint64, ok bool)

// UseRDRand records that all CPUs have RDRAND.
//
// Context: boot CPU.
func UseRDRand() { haveRDRand = true }

// Random returns 64 random bits: RDRAND's, mixed with the time-stamp counter. On a
// CPU without RDRAND the counter is the only source, and an attacker who has the
// boot time to the tick can predict the result.
//
// Source: Intel SDM vol. 1, "Random Number Generator Instructions".
func Random() uint64 {
	x := mixState.Add(0x9e3779b97f4a7c15) ^ TSC()
	if haveRDRand {
		for range 10 {
			if v, ok := rdrand(); ok {
				x ^= v
				break
			}
		}
	}
	return mix(x)
}

// mix is the finalizer of splitmix64: every input bit changes every output bit.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
