package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// CPUs with the features that their makers ship: which mitigations are on.
func TestMitigations(t *testing.T) {
	const (
		spec   = 1<<10 | 1<<26 | 1<<27 | 1<<29 | 1<<31 // MD_CLEAR, IBRS, STIBP, ARCH_CAPABILITIES, SSBD
		modern = 1<<7 | 1<<20                          // SMEP, SMAP
	)
	tests := map[string]struct {
		f       Features
		on      []Mitigation
		because map[Mitigation]string
	}{
		"nothing": {
			f:       Features{},
			because: map[Mitigation]string{MitigateNX: absent, MitigateIBRS: absent, MitigateIBPB: absent, MitigateIBT: absent},
		},
		"Intel of 2017 with new microcode": {
			f:  Features{Vendor: VendorIntel, Ext1D: 1 << 20, Leaf7B: modern, Leaf7D: spec},
			on: []Mitigation{MitigateNX, MitigateSMEP, MitigateSMAP, MitigateSTIBP, MitigateIBPB, MitigateBuffers},
			because: map[Mitigation]string{
				MitigateIBRS:      "this CPU would need an MSR write at each entry to the kernel",
				MitigatePageTable: "NEEDED ON THIS CPU, but the kernel does not have it yet: run no program that you do not trust",
			},
		},
		"Intel of 2021": {
			f: Features{Vendor: VendorIntel, Ext1D: 1 << 20, Leaf7B: modern, Leaf7C: 1<<2 | 1<<7, Leaf7D: spec | 1<<20,
				Caps: capsRDCLNo | capsIBRSAll | capsMDSNo | capsSSBNo},
			on: []Mitigation{MitigateNX, MitigateSMEP, MitigateSMAP, MitigateUMIP, MitigateIBRS, MitigateIBPB},
			because: map[Mitigation]string{
				MitigateSTIBP: "IBRS includes it on this CPU", MitigateBuffers: "this CPU does not need it",
				MitigateSSBD: "this CPU does not need it", MitigatePageTable: "this CPU does not need it",
				MitigateIBT: "the Go compiler emits no ENDBR64",
			},
		},
		"AMD Zen 4": {
			f:  Features{Vendor: VendorAMD, Ext1D: 1 << 20, Leaf7B: modern, Leaf7C: 1 << 2, Ext8B: 1<<12 | 1<<15, Ext21A: 1 << 8},
			on: []Mitigation{MitigateNX, MitigateSMEP, MitigateSMAP, MitigateUMIP, MitigateIBRS, MitigateSTIBP, MitigateIBPB},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var on []Mitigation
			for m := range Mitigations {
				is, why := tc.f.Mitigation(m)
				if is {
					on = append(on, m)
				}
				require.Equal(t, is, why == "", "%s: on without a reason, or off with one", m.String())
				require.NotEmpty(t, m.String())
			}
			require.Equal(t, tc.on, on)
			for m, want := range tc.because {
				_, why := tc.f.Mitigation(m)
				require.Equal(t, want, why, m.String())
			}
		})
	}
}

func TestMitigationCR4(t *testing.T) {
	f := Features{Leaf7B: 1 << 7, Leaf7C: 1 << 2}
	require.EqualValues(t, CR4SMEP|CR4UMIP, f.MitigationCR4())
}
