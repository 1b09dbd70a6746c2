package cpu

// CPUID bits of the two instructions that return random numbers.
const (
	FeatureRDRand Feature = word1C | 30
	FeatureRDSeed Feature = word7B | 18
)

// RDRand returns a number of the CPU's generator; ok is false if none was ready. Package
// random decides whether the numbers can be used.
//
// Source: Intel SDM vol. 1, "Random Number Generator Instructions".
func RDRand() (v uint64, ok bool)

// RDSeed returns a number of the source that feeds the CPU's generator.
func RDSeed() (v uint64, ok bool)
