package cpu

import "math/bits"

// Index returns i, which is below n, in a way that speculation cannot evade: a CPU that
// guesses that a comparison with n was passed, when i is n or more, gets 0. So code that
// has compared a program's number with a table's length loads nothing beyond the table,
// not even for instructions that the CPU takes back later.
//
// Source: Intel, "Bounds Check Bypass" (CVE-2017-5753).
func Index(i, n uint64) uint64 {
	_, below := bits.Sub64(i, n, 0) // the borrow is 1 if i is below n: a subtraction, no branch
	return i & -below
}

// Barrier makes the CPU forget what the branches of the program before have taught it,
// so that one program cannot lead another one's speculation. The CPU must have the
// feature: MitigateIBPB.
//
// Source: Intel SDM vol. 4, "IA32_PRED_CMD"; AMD64 APM vol. 2, "PRED_CMD".
func Barrier() { WriteMSR(MSRPredCmd, PredIBPB) }
