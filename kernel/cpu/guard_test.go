package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// CPUs as makers ship them: which guards are on.
func TestGuards(t *testing.T) {
	const (
		spec   = 1<<10 | 1<<26 | 1<<27 | 1<<29 | 1<<31 // MD_CLEAR, IBRS, STIBP, ARCH_CAPABILITIES, SSBD
		modern = 1<<7 | 1<<20                          // SMEP, SMAP
	)
	tests := map[string]struct {
		f       Features
		on      []Guard
		because map[Guard]string
	}{
		"nothing": {
			f:       Features{},
			because: map[Guard]string{GuardNX: absent, GuardIBRS: absent, GuardIBT: absent},
		},
		"Intel of 2017 with new microcode": {
			f:  Features{Vendor: VendorIntel, Ext1D: 1 << 20, Leaf7B: modern, Leaf7D: spec},
			on: []Guard{GuardNX, GuardSMEP, GuardSMAP, GuardSTIBP, GuardBuffers},
			because: map[Guard]string{
				GuardIBRS:      "this CPU's kind needs an MSR write at each entry to the kernel",
				GuardPageTable: "NEEDED ON THIS CPU, but not written: run no program that you do not trust",
			},
		},
		"Intel of 2021": {
			f: Features{Vendor: VendorIntel, Ext1D: 1 << 20, Leaf7B: modern, Leaf7C: 1<<2 | 1<<7, Leaf7D: spec | 1<<20,
				Caps: capsRDCLNo | capsIBRSAll | capsMDSNo | capsSSBNo},
			on: []Guard{GuardNX, GuardSMEP, GuardSMAP, GuardUMIP, GuardIBRS},
			because: map[Guard]string{
				GuardSTIBP: "IBRS includes it on this CPU", GuardBuffers: "this CPU does not need it",
				GuardSSBD: "this CPU does not need it", GuardPageTable: "this CPU does not need it",
				GuardIBT: "the Go compiler emits no ENDBR64",
			},
		},
		"AMD Zen 4": {
			f:  Features{Vendor: VendorAMD, Ext1D: 1 << 20, Leaf7B: modern, Leaf7C: 1 << 2, Ext8B: 1 << 15, Ext21A: 1 << 8},
			on: []Guard{GuardNX, GuardSMEP, GuardSMAP, GuardUMIP, GuardIBRS, GuardSTIBP},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var on []Guard
			for g := range Guards {
				is, why := tc.f.Guard(g)
				if is {
					on = append(on, g)
				}
				require.Equal(t, is, why == "", "%s: on without a reason, or off with one", g.String())
				require.NotEmpty(t, g.String())
			}
			require.Equal(t, tc.on, on)
			for g, want := range tc.because {
				_, why := tc.f.Guard(g)
				require.Equal(t, want, why, g.String())
			}
		})
	}
}

func TestGuardCR4(t *testing.T) {
	f := Features{Leaf7B: 1 << 7, Leaf7C: 1 << 2}
	require.EqualValues(t, CR4SMEP|CR4UMIP, f.GuardCR4())
}
