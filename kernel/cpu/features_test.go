package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFamilyModel(t *testing.T) {
	tests := map[string]struct {
		eax    uint32
		family uint16
		model  uint8
	}{
		"Intel Skylake": {eax: 0x000506e3, family: 6, model: 0x5e},
		"AMD Zen":       {eax: 0x00800f11, family: 0x17, model: 0x01},
		"Pentium":       {eax: 0x00000543, family: 5, model: 4},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			family, model := familyModel(tc.eax)
			require.Equal(t, tc.family, family)
			require.Equal(t, tc.model, model)
		})
	}
}

func TestHas(t *testing.T) {
	f := Features{Leaf1C: 1 << 21, Ext1D: 1 << 20, Ext7D: 1 << 8}
	require.True(t, f.Has(X2APIC))
	require.True(t, f.Has(NX))
	require.True(t, f.Has(InvariantTSC))
	require.False(t, f.Has(XSave))
	require.False(t, f.Has(SMAP))
}

func TestVendor(t *testing.T) {
	require.Equal(t, VendorIntel, vendor(0x756e6547, 0x6c65746e, 0x49656e69))
	require.Equal(t, VendorAMD, vendor(0x68747541, 0x444d4163, 0x69746e65))
	require.Equal(t, VendorOther, vendor(1, 2, 3))
}

// The host is an x86-64 machine too: the test requires the features that Go itself
// needs.
func TestDetectOnHost(t *testing.T) {
	var f Features
	f.Detect()
	require.True(t, f.Has(SSE2))
	require.True(t, f.Has(LongMode))
	a := TSCOrdered()
	require.Greater(t, TSCOrdered(), a)
}

func TestWordsRoundTrip(t *testing.T) {
	f := Features{Leaf1C: 1, Leaf1D: 2, Leaf7B: 3, Leaf7C: 4, Leaf7D: 5, Ext1C: 6, Ext1D: 7, Ext7D: 8, Ext8B: 9, Ext21A: 10,
		Caps: 11, MaxLeaf: 12, Vendor: VendorAMD, Family: 0x19, Model: 0x21}
	require.Equal(t, f, FromWords(f.Words()))
}
