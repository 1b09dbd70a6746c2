package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The registers of a bank are four in a row.
func TestBankRegisters(t *testing.T) {
	require.Equal(t, []int{0, 1, 2, 3, 4}, []int{bankCtl, bankStatus, bankAddr, bankMisc, bankRegisters})
}

// Codes of the manual's tables, and some that real machines have reported.
func TestBankText(t *testing.T) {
	for _, tc := range []struct {
		status         uint64
		severity, kind string
	}{
		{BankValid | 0x009f, "corrected", "memory controller"},
		{BankValid | BankFatal | 0x0005, "not corrected", "internal parity"},
		{BankValid | BankFatal | BankCorrupt | 0x0e0b, "not corrected, state of the CPU corrupt", "generic I/O"},
		{0xb200000000070005, "not corrected, state of the CPU corrupt", "internal parity"},
		{0xbe00000000800400, "not corrected, state of the CPU corrupt", "internal timer"},
		{0xbd80000000100134, "not corrected", "cache"},
		{0x8c00004000010090, "corrected", "memory controller"},
		{0x9020000f0120100e, "corrected", "generic cache"},
		{BankValid | 0x1014, "corrected", "TLB"}, {BankValid | 0x0c0f, "corrected", "bus or interconnect"},
		{BankValid | 0x0280, "corrected", "memory as a cache"}, {BankValid | 0x0405, "corrected", "internal"},
		{BankValid | 0x0020, "corrected", "unknown"}, {BankValid, "corrected", "no error"},
	} {
		b := Bank{Status: tc.status}
		require.Equal(t, tc.severity, b.Severity(), "%#x", tc.status)
		require.Equal(t, tc.kind, b.Kind(), "%#x", tc.status)
	}
}
