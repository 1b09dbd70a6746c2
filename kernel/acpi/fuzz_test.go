package acpi

import (
	"bytes"
	"testing"
	"time"
)

// limit is how long any input may take.
const limit = time.Second

// timed runs f and fails if it took too long.
func timed(t *testing.T, f func()) {
	began := time.Now()
	f()
	if d := time.Since(began); d > limit {
		t.Fatalf("took %v", d)
	}
}

// fuzzTable feeds bodies to a parser of tables with signature sig: any bytes,
// with length and checksum made right, so that they get past the header.
func fuzzTable(f *testing.F, sig string, parse func(Table), seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, revision uint8) {
		b = table(sig, b...)
		b[8] = revision
		tab, err := NewTable(fix(b), 0)
		if err != nil {
			t.Fatal(err)
		}
		timed(t, func() { parse(tab) })
	})
}

func FuzzMADT(f *testing.F) {
	fuzzTable(f, "APIC", func(tab Table) {
		if m, _ := ParseMADT(tab); m != nil {
			m.ISA(0)
			NewTopology(Sources{MADT: m, Levels: Levels{1, 4, 5}})
		}
	}, bigMADT()[headerLength:], madt(0, 8, 0, 0, 1, 0, 0, 0)[headerLength:])
}

func FuzzSRAT(f *testing.F) {
	head := make([]byte, 12)
	cpu := []byte{0, 16, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	mem := append([]byte{1, 40, 1, 0, 0, 0, 0, 0}, make([]byte, 32)...)
	fuzzTable(f, "SRAT", func(tab Table) {
		if s, _ := ParseSRAT(tab); s != nil {
			NewTopology(Sources{MADT: &MADT{}, SRAT: s})
		}
	}, append(head, cpu...), append(head, mem...))
}

func FuzzSLIT(f *testing.F) {
	fuzzTable(f, "SLIT", func(tab Table) {
		if s, _ := ParseSLIT(tab); s != nil {
			s.Matrix()
			NewTopology(Sources{MADT: &MADT{}, SRAT: &SRAT{CPUs: []CPUAffinity{{Domain: 0, Enabled: true}}}, SLIT: s})
		}
	}, []byte{2, 0, 0, 0, 0, 0, 0, 0, 10, 20, 20, 10})
}

func FuzzFADT(f *testing.F) {
	fuzzTable(f, "FACP", func(tab Table) {
		if a, _ := ParseFADT(tab); a != nil {
			a.PM1Controls()
			a.Timer()
			a.Reset()
			a.DSDTAddress()
		}
	}, make([]byte, 80), make([]byte, 96), make([]byte, 240))
}

func FuzzHPET(f *testing.F) {
	fuzzTable(f, "HPET", func(tab Table) {
		if h, _ := ParseHPET(tab); h != nil {
			h.Comparators()
		}
	}, []byte{1, 0xa2, 0x86, 0x80, 0, 64, 0, 0, 0, 0, 0xd0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0})
}

func FuzzMCFG(f *testing.F) {
	fuzzTable(f, "MCFG", func(tab Table) {
		if m, _ := ParseMCFG(tab); m != nil {
			for _, s := range m.Segments {
				s.Valid()
			}
		}
	}, make([]byte, 24))
}

func FuzzS5(f *testing.F) {
	fuzzTable(f, "DSDT", func(tab Table) { FindS5(tab) },
		[]byte{0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}, bytes.Repeat(s5Name, 100))
}

// FuzzRSDP lets any bytes be the BIOS area that is searched.
func FuzzRSDP(f *testing.F) {
	f.Add(rsdp(0, 0x1000, 0), true)
	f.Add(rsdp(2, 0x1000, 0x2000), false)
	f.Fuzz(func(t *testing.T, b []byte, search bool) {
		if len(b) >= rsdpLength1 {
			b[8] = 0
			b[8] = -sum(b[:rsdpLength1])
		}
		if len(b) >= rsdpLength2 {
			b[32] = 0
			b[32] = -sum(b[:rsdpLength2])
		}
		bios := make([]byte, 4096)
		copy(bios, b)
		mem := func(addr uint64, n int) ([]byte, error) { return bios[:min(n, len(bios))], nil }
		timed(t, func() {
			if search {
				FindRSDP(mem, 0, nil)
			} else {
				FindRSDP(mem, 0x1000, nil)
				ParseRSDP(b, 0)
			}
		})
	})
}

// FuzzWalk lets any bytes be all of memory: root tables lead anywhere.
func FuzzWalk(f *testing.F) {
	f.Add(append(rsdp(2, 0x40, 0x40), table("XSDT", pointers(8, 0x40, 0x80)...)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := func(addr uint64, n int) ([]byte, error) {
			if addr >= uint64(len(b)) || n > len(b)-int(addr) {
				return nil, ErrRead
			}
			return b[addr : int(addr)+n], nil
		}
		fixAt := func(off int) {
			if off+headerLength <= len(b) {
				if n := int(le.Uint32(b[off+4:])); n >= headerLength && n <= len(b)-off {
					b[off+9] = 0
					b[off+9] = -sum(b[off : off+n])
				}
			}
		}
		for off := range 4 {
			fixAt(off * 0x40)
		}
		timed(t, func() {
			for _, sig := range []string{"RSDT", "XSDT"} {
				if len(b) >= 4 {
					copy(b, sig)
					fixAt(0)
				}
				Load(mem, RSDP{RSDT: 0, XSDT: 1})
				Load(mem, RSDP{RSDT: 0x40, XSDT: 0x80})
			}
		})
	})
}

func FuzzMP(f *testing.F) {
	f.Add(twoCPUs[mpHeaderLength:], uint16(8))
	f.Fuzz(func(t *testing.T, entries []byte, count uint16) {
		if len(entries) > 65535-mpHeaderLength {
			return
		}
		timed(t, func() {
			if m, _ := ParseMP(mpTable(int(count), entries...)); m != nil {
				NewTopology(Sources{MADT: m.MADT(func(uint32) int { return 24 })})
			}
		})
	})
}
