package acpi

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var dumpHead = regexp.MustCompile(`^([A-Z]{4}) @ 0x([0-9A-F]+)$`)

// readDump reads tables from text as Dump writes it.
func readDump(t *testing.T, text string) (list []Table) {
	t.Helper()
	var b []byte
	end := func() {
		if b != nil {
			tab, err := NewTable(b, 0)
			require.NoError(t, err)
			list = append(list, tab)
		}
		b = nil
	}
	for line := range strings.Lines(text) {
		switch line = strings.TrimRight(line, "\n"); {
		case dumpHead.MatchString(line):
			end()
		case strings.HasPrefix(line, "  ") && len(line) > 8:
			row, err := hex.DecodeString(strings.ReplaceAll(line[8:min(56, len(line))], " ", ""))
			require.NoError(t, err, line)
			b = append(b, row...)
		}
	}
	end()
	return list
}

// Machines on which the kernel has run.
func TestFixtures(t *testing.T) {
	tests := map[string]struct {
		tables     string
		cpus       int
		lastAPICID uint32
		ioapics    int
		isa0, isa9 Line
		nodes      int
		hpets      int
		reset      uint64 // port
		pm1        uint64 // port of the PM1 control register, 0 for the sleep register
		segments   int
	}{
		"qemu-q35":     {"RSDT FACP APIC HPET MCFG WAET", 4, 3, 1, Line{GSI: 2}, Line{GSI: 9, Level: true}, 0, 1, 0xcf9, 0x604, 1},
		"qemu-pc":      {"RSDT FACP APIC HPET WAET", 4, 3, 1, Line{GSI: 2}, Line{GSI: 9, Level: true}, 0, 1, 0, 0x604, 0},
		"qemu-microvm": {"XSDT FACP APIC", 4, 3, 2, Line{GSI: 0}, Line{GSI: 9}, 0, 0, 0, 0, 0},
		"qemu-ovmf":    {"XSDT FACP APIC HPET MCFG WAET", 4, 3, 1, Line{GSI: 2}, Line{GSI: 9, Level: true}, 0, 1, 0xcf9, 0x604, 1},
		"qemu-numa":    {"RSDT FACP APIC HPET SRAT SLIT MCFG WAET", 6, 5, 1, Line{GSI: 2}, Line{GSI: 9, Level: true}, 3, 1, 0xcf9, 0x604, 1},
		"qemu-288":     {"RSDT FACP APIC HPET MCFG DMAR WAET", 288, 287, 1, Line{GSI: 2}, Line{GSI: 9, Level: true}, 0, 1, 0xcf9, 0x604, 1},
		"bochs":        {"RSDT FACP APIC HPET", 4, 3, 1, Line{GSI: 2}, Line{GSI: 9}, 0, 1, 0, 0xb004, 0},
	}
	files, err := filepath.Glob("testdata/*.dump")
	require.NoError(t, err)
	require.Len(t, files, len(tests))
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".dump")
			require.NoError(t, err)
			list := readDump(t, string(text))
			var names []string
			var again bytes.Buffer
			for _, x := range list {
				names = append(names, x.Sig())
				require.NoError(t, Dump(&again, x))
			}
			require.Equal(t, want.tables, strings.Join(names, " "))
			require.Equal(t, list, readDump(t, again.String()), "what is dumped is read back")

			all := Tables{List: list}
			find := func(sig string) Table { x, _ := all.Find(sig); return x }
			m, err := ParseMADT(find("APIC"))
			require.NoError(t, err)
			srat, _ := ParseSRAT(find("SRAT"))
			slit, _ := ParseSLIT(find("SLIT"))
			top, problems := NewTopology(Sources{MADT: m, SRAT: srat, SLIT: slit, APICBase: 0xfee00000})
			require.Empty(t, problems)
			require.Len(t, top.CPUs, want.cpus)
			require.Equal(t, want.lastAPICID, top.CPUs[want.cpus-1].APICID)
			require.Len(t, top.IOAPICs, want.ioapics)
			require.Len(t, top.Nodes, want.nodes)
			require.Equal(t, want.isa0, m.ISA(0))
			require.Equal(t, want.isa9, m.ISA(9))

			f, err := ParseFADT(find("FACP"))
			require.NoError(t, err)
			reset := uint64(0)
			if reg, _ := f.Reset(); reg != nil && reg.Space == SpaceIO {
				reset = reg.Address
			}
			require.Equal(t, want.reset, reset)
			pm1 := uint64(0)
			if c := f.PM1Controls(); len(c) > 0 {
				pm1 = c[0].Address
			} else {
				require.NotNil(t, f.SleepCtl)
			}
			require.Equal(t, want.pm1, pm1)
			_, err = ParseHPET(find("HPET"))
			require.Equal(t, want.hpets == 1, err == nil)
			segments := 0
			if c, err := ParseMCFG(find("MCFG")); err == nil {
				segments = len(c.Segments)
			}
			require.Equal(t, want.segments, segments)
		})
	}
}
