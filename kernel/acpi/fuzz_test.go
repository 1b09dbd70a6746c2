package acpi

import (
	"bytes"
	"testing"
	"time"

	"muster/tools/patience"
)

// limit is how long a parser may take for any input.
func limit() time.Duration { return patience.For(time.Second) }

// timed runs f and fails if it took too long.
func timed(t *testing.T, f func()) {
	began := time.Now()
	f()
	if d := time.Since(began); d > limit() {
		t.Fatalf("took %v", d)
	}
}

// parsers are the functions that read the bytes of a table, by signature. None may
// panic, whatever the bytes.
var parsers = map[string]func(Table){
	"APIC": func(tab Table) {
		if m, _ := ParseMADT(tab); m != nil {
			m.ISA(0)
			NewTopology(Sources{MADT: m, Levels: Levels{1, 4, 5}})
		}
	},
	"SRAT": func(tab Table) {
		if s, _ := ParseSRAT(tab); s != nil {
			NewTopology(Sources{MADT: &MADT{}, SRAT: s})
		}
	},
	"SLIT": func(tab Table) {
		if s, _ := ParseSLIT(tab); s != nil {
			s.Matrix()
			NewTopology(Sources{MADT: &MADT{}, SRAT: &SRAT{CPUs: []CPUAffinity{{Domain: 0, Enabled: true}}}, SLIT: s})
		}
	},
	"FACP": func(tab Table) {
		if a, _ := ParseFADT(tab); a != nil {
			a.PM1Controls()
			a.Timer()
			a.Reset()
			a.DSDTAddress()
		}
	},
	"HPET": func(tab Table) {
		if h, _ := ParseHPET(tab); h != nil {
			h.Comparators()
		}
	},
	"MCFG": func(tab Table) {
		if m, _ := ParseMCFG(tab); m != nil {
			for _, s := range m.Segments {
				_ = s.Valid()
			}
		}
	},
	"DSDT": func(tab Table) { FindS5(tab) },
}

// runTable makes a table of a body, with length and checksum right, so that the
// body is parsed.
func runTable(sig string, body []byte, revision uint8) {
	b := table(sig, body...)
	b[8] = revision
	tab, err := NewTable(fix(b), 0)
	if err != nil {
		panic(err)
	}
	parsers[sig](tab)
}

// seeds are bodies of sound tables.
func seeds(sig string) [][]byte {
	head := make([]byte, 12)
	switch sig {
	case "APIC":
		return [][]byte{bigMADT()[headerLength:], madt(0, 8, 0, 0, 1, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0)[headerLength:]}
	case "SRAT":
		cpu := []byte{0, 16, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		mem := append([]byte{1, 40, 1, 0, 0, 0, 0, 0}, make([]byte, 32)...)
		mem[17], mem[28] = 1, 1
		return [][]byte{append(append(head, cpu...), mem...), append(append(append(head, mem...), mem...), cpu...)}
	case "SLIT":
		return [][]byte{{2, 0, 0, 0, 0, 0, 0, 0, 10, 20, 20, 10}}
	case "FACP":
		return [][]byte{make([]byte, 80), make([]byte, 96), make([]byte, 240)}
	case "HPET":
		return [][]byte{{1, 0xa2, 0x86, 0x80, 0, 64, 0, 0, 0, 0, 0xd0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0}}
	case "MCFG":
		return [][]byte{make([]byte, 24), make([]byte, 56)}
	case "DSDT":
		return [][]byte{{0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}, bytes.Repeat(s5Name, 100)}
	}
	return nil
}

func fuzzTable(f *testing.F, sig string) {
	for _, s := range seeds(sig) {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, revision uint8) {
		timed(t, func() { runTable(sig, b, revision) })
	})
}

func FuzzMADT(f *testing.F) { fuzzTable(f, "APIC") }
func FuzzSRAT(f *testing.F) { fuzzTable(f, "SRAT") }
func FuzzSLIT(f *testing.F) { fuzzTable(f, "SLIT") }
func FuzzFADT(f *testing.F) { fuzzTable(f, "FACP") }
func FuzzHPET(f *testing.F) { fuzzTable(f, "HPET") }
func FuzzMCFG(f *testing.F) { fuzzTable(f, "MCFG") }
func FuzzS5(f *testing.F)   { fuzzTable(f, "DSDT") }

// runRSDP makes b the BIOS area that is searched.
func runRSDP(b []byte) {
	if len(b) >= rsdpLength1 {
		b[8] = 0
		b[8] = -sum(b[:rsdpLength1])
	}
	if len(b) >= rsdpLength2 {
		b[32] = 0
		b[32] = -sum(b[:rsdpLength2])
	}
	mem := func(addr uint64, n int) ([]byte, error) { return b[:min(n, len(b))], nil }
	FindRSDP(mem, 0, nil)
	FindRSDP(mem, 0x1000, nil)
	FindRSDP(mem, 0, b)
}

func rsdpSeeds() [][]byte {
	return [][]byte{rsdp(0, 0x1000, 0), rsdp(2, 0x1000, 0x2000), append(make([]byte, 64), rsdp(2, 1, 2)...)}
}

func FuzzRSDP(f *testing.F) {
	for _, s := range rsdpSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) { timed(t, func() { runRSDP(append([]byte(nil), b...)) }) })
}

// runWalk makes b all of memory, so root tables may point anywhere.
func runWalk(b []byte) {
	mem := func(addr uint64, n int) ([]byte, error) {
		if addr >= uint64(len(b)) || n > len(b)-int(addr) {
			return nil, ErrRead
		}
		return b[addr : int(addr)+n], nil
	}
	for off := 0; off < 0x100; off += 0x40 { // checksums right where tables may be
		if off+headerLength <= len(b) {
			if n := int(le.Uint32(b[off+4:])); n >= headerLength && n <= len(b)-off {
				b[off+9] = 0
				b[off+9] = -sum(b[off : off+n])
			}
		}
	}
	Load(mem, RSDP{RSDT: 0x40, XSDT: 0x80})
	Load(mem, RSDP{RSDT: 0x80, XSDT: 0x40})
	if r, err := FindRSDP(mem, 0x1, nil); err == nil {
		Load(mem, r)
	}
}

func walkSeeds() [][]byte {
	b := make([]byte, 0x140)
	copy(b[0x40:], table("XSDT", pointers(8, 0x40, 0x80)...))
	copy(b[0x80:], table("RSDT", pointers(4, 0x40, 0xc0)...))
	copy(b[0xc0:], madt(0, 8, 0, 0, 1, 0, 0, 0))
	return [][]byte{b}
}

func FuzzWalk(f *testing.F) {
	for _, s := range walkSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) { timed(t, func() { runWalk(append([]byte(nil), b...)) }) })
}

// runMP makes b the entries of an MP table; its first two bytes are their count.
func runMP(b []byte) {
	if len(b) < 2 || len(b) > 65535-mpHeaderLength {
		return
	}
	if m, _ := ParseMP(mpTable(int(le.Uint16(b)), b[2:]...)); m != nil {
		NewTopology(Sources{MADT: m.MADT(func(uint32) int { return 24 })})
	}
}

func mpSeeds() [][]byte { return [][]byte{append([]byte{8, 0}, twoCPUs[mpHeaderLength:]...)} }

func FuzzMP(f *testing.F) {
	f.Add(mpSeeds()[0])
	f.Fuzz(func(t *testing.T, b []byte) { timed(t, func() { runMP(b) }) })
}
