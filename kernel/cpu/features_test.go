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

// The CPU that starts later must have what the first one has and threads use.
func TestFits(t *testing.T) {
	boot := Features{Leaf1C: 1<<26 | 1<<28 | 1<<31, Leaf7B: 1<<0 | 1<<20, Ext1C: 1 << 5, Ext1D: 1 << 26}
	same := boot
	require.True(t, same.Fits(&boot))
	more := boot
	more.Leaf1C, more.Leaf7B = ^uint32(0), ^uint32(0)
	require.True(t, more.Fits(&boot))
	require.False(t, boot.Fits(&more))
	for name, f := range map[string]Features{
		"XSAVE":       {Leaf1C: boot.Leaf1C &^ (1 << 26), Leaf7B: boot.Leaf7B, Ext1C: boot.Ext1C, Ext1D: boot.Ext1D},
		"SMAP":        {Leaf1C: boot.Leaf1C, Leaf7B: boot.Leaf7B &^ (1 << 20), Ext1C: boot.Ext1C, Ext1D: boot.Ext1D},
		"FSGSBASE":    {Leaf1C: boot.Leaf1C, Leaf7B: boot.Leaf7B &^ 1, Ext1C: boot.Ext1C, Ext1D: boot.Ext1D},
		"LZCNT":       {Leaf1C: boot.Leaf1C, Leaf7B: boot.Leaf7B, Ext1D: boot.Ext1D},
		"1 GiB pages": {Leaf1C: boot.Leaf1C, Leaf7B: boot.Leaf7B, Ext1C: boot.Ext1C},
	} {
		require.False(t, f.Fits(&boot), name)
	}
	quiet := boot
	quiet.Leaf1C &^= 1 << 31 // nothing depends on the bit of hypervisors
	require.True(t, quiet.Fits(&boot))
}

// Values of real CPUs: leaf 7 EDX and leaf 1AH EAX of a Core i9-12900K's two kinds of
// core, and of a Core i7-6700K, whose leaves end before 1AH.
func TestCore(t *testing.T) {
	for name, tc := range map[string]struct {
		f    Features
		want Core
	}{
		"i9-12900K, P core": {Features{Leaf7D: 0xfc18c410, Leaf1A: 0x40000001}, CorePerformance},
		"i9-12900K, E core": {Features{Leaf7D: 0xfc18c410, Leaf1A: 0x20000001}, CoreEfficient},
		"another kind":      {Features{Leaf7D: 0xfc18c410, Leaf1A: 0x10000001}, CoreOther},
		"i7-6700K":          {Features{Leaf7D: 0xbc000e00}, CoreUniform},
		"P cores alone":     {Features{Leaf7D: 0xfc184410, Leaf1A: 0x40000001}, CoreUniform},
	} {
		require.Equal(t, tc.want, tc.f.Core(), name)
	}
}

// What QEMU's models lack, by their CPUID words.
func TestLacks(t *testing.T) {
	names := func(f Features) (list []string) {
		for i := range Lacks {
			if l, lacks := f.Lack(i); lacks {
				list = append(list, l.Name)
			}
		}
		return list
	}
	require.Equal(t, []string{"XSAVE", "FSGSBASE", "x2APIC", "1 GiB pages"}, names(Features{}))
	require.Equal(t, []string{"FSGSBASE"}, names(Features{Leaf1C: 1<<21 | 1<<26, Ext1D: 1 << 26}))
	require.Empty(t, names(Features{Leaf1C: 1<<21 | 1<<26, Leaf7B: 1, Ext1D: 1 << 26}))
}

// AMD's CPUs before Zen leave the x87 pointers alone; Zen reports that it does not.
func TestX87Leak(t *testing.T) {
	require.True(t, (&Features{Vendor: VendorAMD}).X87Leak())
	require.False(t, (&Features{Vendor: VendorAMD, Ext8B: 1 << 2}).X87Leak())
	require.False(t, (&Features{Vendor: VendorIntel}).X87Leak())
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
	f.detect() // not its registers: they are for ring 0
	require.True(t, f.Has(SSE2))
	require.True(t, f.Has(LongMode))
	a := TSCOrdered()
	require.Greater(t, TSCOrdered(), a)
}

func TestWordsRoundTrip(t *testing.T) {
	f := Features{Leaf1C: 1, Leaf1D: 2, Leaf7B: 3, Leaf7C: 4, Leaf7D: 5, Ext1C: 6, Ext1D: 7, Ext7D: 8, Ext8B: 9, Ext21A: 10,
		Leaf1A: 13, Caps: 11, MaxLeaf: 12, Vendor: VendorAMD, Family: 0x19, Model: 0x21}
	require.Equal(t, f, FromWords(f.Words()))
}
