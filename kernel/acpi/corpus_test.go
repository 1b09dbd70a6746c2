package acpi

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The corpus is a folder of tables of real machines, each with its meaning by the
// ACPICA disassembler. It is not part of the project: MUSTER_ACPI_CORPUS names it.
func corpus(t *testing.T, part string) string {
	t.Helper()
	dir := os.Getenv("MUSTER_ACPI_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "acpi-corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, part)); err != nil {
		t.Skipf("no corpus of firmware tables: %v; MUSTER_ACPI_CORPUS names its folder", err)
	}
	return dir
}

// object is a piece of expected.json. Numbers keep their digits.
type object = map[string]any

func load(t *testing.T, file string) (o object) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	d := json.NewDecoder(f)
	d.UseNumber()
	require.NoError(t, d.Decode(&o))
	return o
}

func number(t *testing.T, v any) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(string(v.(json.Number)), 10, 64)
	require.NoError(t, err, "%v", v)
	return n
}

// asObject turns a value into the form in which expected.json is read.
func asObject(t *testing.T, v any) (o object) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	require.NoError(t, d.Decode(&o))
	return o
}

// covers requires that got has all of want's fields, except those that only explain
// others.
func covers(t *testing.T, want, got object, except ...string) {
	t.Helper()
fields:
	for k, v := range want {
		for _, e := range except {
			if k == e {
				continue fields
			}
		}
		require.Contains(t, got, k)
		require.Equal(t, v, got[k], k)
	}
}

func TestCorpusMachines(t *testing.T)  { testMachines(t, "machines") }
func TestCorpusSynthetic(t *testing.T) { testMachines(t, "synthetic") }

func testMachines(t *testing.T, part string) {
	dir := corpus(t, part)
	list, err := filepath.Glob(filepath.Join(dir, part, "*", "expected.json"))
	require.NoError(t, err)
	require.NotEmpty(t, list)
	for _, file := range list {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			tables := load(t, file)["tables"].(object)
			require.NotEmpty(t, tables)
			for name, v := range tables {
				want := v.(object)
				data, err := os.ReadFile(filepath.Join(folder, want["file"].(string)))
				require.NoError(t, err)
				checkTable(t, strings.TrimRight(name, "0123456789"), data, want)
			}
			checkTopology(t, folder, tables)
		})
	}
}

func checkTable(t *testing.T, sig string, data []byte, want object) {
	t.Helper()
	if sig == "RSDP" {
		checkRSDP(t, data, want["rsdp"].(object))
		return
	}
	tab, err := NewTable(data, 0)
	require.NoError(t, err)
	h := want["header"].(object)
	require.Equal(t, h["signature"], tab.Sig())
	require.Equal(t, number(t, h["length"]), uint64(tab.Len()))
	require.Equal(t, number(t, h["revision"]), uint64(tab.Revision()))
	require.Equal(t, number(t, h["checksum"]), uint64(tab.CheckSum()))
	require.Equal(t, h["oem_id"], header(data[10:16]))
	require.Equal(t, h["oem_table_id"], header(data[16:24]))
	require.Equal(t, number(t, h["oem_revision"]), uint64(tab.OEMRevision()))
	switch sig {
	case "APIC":
		checkMADT(t, tab, want["madt"].(object))
	case "SRAT":
		checkSRAT(t, tab, want["srat"].(object))
	case "SLIT":
		s, err := ParseSLIT(tab)
		require.NoError(t, err)
		w := want["slit"].(object)
		require.Equal(t, number(t, w["localities"]), uint64(s.Localities))
		for i, row := range w["matrix"].([]any) {
			for j, d := range row.([]any) {
				require.Equal(t, number(t, d), uint64(s.Distance(i, j)))
			}
		}
	case "HPET":
		s, err := ParseHPET(tab)
		require.NoError(t, err)
		covers(t, want["hpet"].(object), asObject(t, s), "page_protect_4k", "page_protect_64k")
	case "FACP":
		s, err := ParseFADT(tab)
		require.NoError(t, err)
		w := want["fadt"].(object)
		covers(t, w, asObject(t, s), "boot_arch", "flag_bits", "disassembler_notes")
		checkBits(t, w, s)
	case "MCFG":
		s, err := ParseMCFG(tab)
		require.NoError(t, err)
		covers(t, want["mcfg"].(object), object{"segments": asObject(t, s)["segments"]})
	case "RSDT", "XSDT":
		width := map[string]int{"RSDT": 4, "XSDT": 8}[sig]
		var list []uint64
		forPointers(tab, width, func(addr uint64) { list = append(list, addr) })
		entries := want[strings.ToLower(sig)].(object)["entries"].([]any)
		require.Len(t, list, len(entries))
		for i, e := range entries {
			require.Equal(t, number(t, e), list[i])
		}
	default:
		require.Fail(t, "no check for this table", sig)
	}
}

// header reads text as the disassembler prints it.
func header(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}

func checkRSDP(t *testing.T, data []byte, want object) {
	t.Helper()
	r, err := ParseRSDP(data, 0)
	require.NoError(t, err)
	require.Equal(t, number(t, want["revision"]), uint64(r.Revision))
	require.Equal(t, number(t, want["rsdt_address"]), uint64(r.RSDT))
	if want["xsdt_address"] != nil {
		require.Equal(t, number(t, want["xsdt_address"]), r.XSDT)
	}
}

// checkBits compares the names of single flags.
func checkBits(t *testing.T, want object, f *FADT) {
	t.Helper()
	for name, bit := range map[string]BootArch{"legacy_devices": LegacyDevices, "has_8042": Has8042, "vga_not_present": NoVGA,
		"msi_not_supported": NoMSI, "pcie_aspm_not_supported": NoASPM, "cmos_rtc_not_present": NoCMOSClock} {
		require.Equal(t, want["boot_arch"].(object)[name], f.BootArch&bit != 0, name)
	}
	for name, bit := range map[string]Flags{"wbinvd": FlagWBINVD, "timer_32bit": FlagTimer32, "reset_reg_supported": FlagReset,
		"use_platform_clock": FlagPlatformClock, "force_apic_cluster": FlagClusterModel, "force_apic_physical": FlagPhysicalMode,
		"hw_reduced": FlagHardwareReduced, "low_power_s0": FlagLowPowerS0} {
		require.Equal(t, want["flag_bits"].(object)[name], f.Flags&bit != 0, name)
	}
}

// skeleton requires that the walk meets the entries that are expected.
func skeleton(t *testing.T, tab Table, from int, least *sizes, entries []any) {
	t.Helper()
	i := 0
	err := walk(tab.Sig(), tab.Data(), from, least, func(off int, kind uint8, e []byte) {
		require.Less(t, i, len(entries))
		w := entries[i].(object)
		require.Equal(t, number(t, w["offset"]), uint64(off))
		require.Equal(t, number(t, w["type"]), uint64(kind))
		require.Equal(t, number(t, w["length"]), uint64(len(e)))
		i++
	})
	if err != nil { // a zero-length tail, which is listed
		require.Equal(t, true, entries[i].(object)["zero_length"])
		i++
	}
	require.Len(t, entries, i)
}

func checkMADT(t *testing.T, tab Table, want object) {
	t.Helper()
	m, err := ParseMADT(tab)
	require.NoError(t, err)
	entries := want["entries"].([]any)
	skeleton(t, tab, madtEntries, &madtSizes, entries)
	require.Equal(t, want["pcat_compat"], m.PCATCompat)
	address, unknown := number(t, want["local_apic_address"]), 0
	rest := *m
	for _, e := range entries {
		w := e.(object)
		switch kind := number(t, w["type"]); kind {
		case madtLocalAPIC, madtX2APIC:
			id := w["apic_id"]
			if kind == madtX2APIC {
				id = w["x2apic_id"]
			}
			require.Equal(t, CPU{uint32(number(t, id)), uint32(number(t, w["processor_uid"])), w["enabled"].(bool),
				w["online_capable"].(bool), kind == madtX2APIC}, rest.CPUs[0])
			rest.CPUs = rest.CPUs[1:]
		case madtIOAPIC:
			covers(t, w, asObject(t, rest.IOAPICs[0]), "offset", "type", "length")
			rest.IOAPICs = rest.IOAPICs[1:]
		case madtOverride:
			covers(t, w, asObject(t, rest.Overrides[0]), "offset", "type", "length", "polarity", "trigger")
			checkINTI(t, w, rest.Overrides[0].Flags)
			rest.Overrides = rest.Overrides[1:]
		case madtNMISource:
			covers(t, w, asObject(t, rest.NMIs[0]), "offset", "type", "length", "polarity", "trigger")
			checkINTI(t, w, rest.NMIs[0].Flags)
			rest.NMIs = rest.NMIs[1:]
		case madtLocalNMI, madtX2APICNMI:
			n := rest.LocalNMIs[0]
			uid := number(t, w["processor_uid"])
			if kind == madtLocalNMI && uid == 0xff {
				uid = uint64(AllCPUs)
			}
			require.Equal(t, LocalNMI{uint32(uid), uint8(number(t, w["lint"])), INTI(number(t, w["flags"])), kind == madtX2APICNMI}, n)
			checkINTI(t, w, n.Flags)
			rest.LocalNMIs = rest.LocalNMIs[1:]
		case madtLAPICAddress:
			address = number(t, w["address"])
		case madtWakeup:
			require.NotNil(t, m.Wakeup)
		default:
			unknown++
		}
	}
	require.Equal(t, address, m.LocalAPIC)
	require.Equal(t, unknown, m.Unknown)
	require.Empty(t, rest.CPUs)
	require.Empty(t, rest.IOAPICs)
	require.Empty(t, rest.Overrides)
	require.Empty(t, rest.NMIs)
	require.Empty(t, rest.LocalNMIs)
}

func checkINTI(t *testing.T, want object, f INTI) {
	t.Helper()
	require.Equal(t, number(t, want["polarity"]), uint64(f.Polarity()))
	require.Equal(t, number(t, want["trigger"]), uint64(f.Trigger()))
}

func checkSRAT(t *testing.T, tab Table, want object) {
	t.Helper()
	s, err := ParseSRAT(tab)
	entries := want["entries"].([]any)
	skeleton(t, tab, sratEntries, &sratSizes, entries)
	cpus, memory := s.CPUs, s.Memory
	for _, e := range entries {
		w := e.(object)
		if w["zero_length"] == true {
			require.ErrorIs(t, err, ErrLength)
			err = nil
			continue
		}
		switch kind := number(t, w["type"]); kind {
		case sratCPU:
			covers(t, w, asObject(t, cpus[0]), "offset", "type", "length", "domain_low", "domain_high", "flags")
			cpus = cpus[1:]
		case sratX2APIC:
			require.Equal(t, CPUAffinity{Domain: uint32(number(t, w["domain"])), APICID: uint32(number(t, w["x2apic_id"])),
				ClockDomain: uint32(number(t, w["clock_domain"])), Enabled: w["enabled"].(bool), X2APIC: true}, cpus[0])
			cpus = cpus[1:]
		case sratMemory:
			covers(t, w, asObject(t, memory[0]), "offset", "type", "length", "domain_raw", "flags")
			memory = memory[1:]
		}
	}
	require.NoError(t, err)
	require.Empty(t, cpus)
	require.Empty(t, memory)
}

// checkTopology requires what must hold for every machine: each enabled CPU once,
// numbers dense, nothing lost.
func checkTopology(t *testing.T, folder string, tables object) {
	t.Helper()
	read := func(name string) Table {
		data, err := os.ReadFile(filepath.Join(folder, name+".bin"))
		if err != nil {
			return Table{}
		}
		tab, err := NewTable(data, 0)
		require.NoError(t, err)
		return tab
	}
	m, err := ParseMADT(read("APIC"))
	if err != nil {
		return // a machine without one
	}
	srat, _ := ParseSRAT(read("SRAT"))
	slit, _ := ParseSLIT(read("SLIT"))
	ids := map[uint32]bool{}
	boot, any := uint32(0), false
	for _, c := range m.CPUs {
		if c.Enabled && c.APICID != filler32 && (c.X2APIC || c.APICID != filler8) {
			if !any {
				boot, any = c.APICID, true
			}
			ids[c.APICID] = true
		}
	}
	top, problems := NewTopology(Sources{MADT: m, SRAT: srat, SLIT: slit, Levels: Levels{1, 5, 5}, Boot: boot, APICBase: m.LocalAPIC})
	if any {
		require.Len(t, top.CPUs, len(ids))
	} else {
		require.ErrorIs(t, errors.Join(problems...), ErrUnlisted)
		require.Len(t, top.CPUs, 1)
	}
	if len(top.Nodes) <= MaxZones {
		checkZones(t, top)
	}
	for i, p := range top.CPUs {
		require.Equal(t, i, p.CPU)
		require.True(t, !any || ids[p.APICID])
		delete(ids, p.APICID)
	}
	require.Empty(t, ids)
	for i := 1; i < len(top.IOAPICs); i++ {
		require.Less(t, top.IOAPICs[i-1].GSIBase, top.IOAPICs[i].GSIBase)
	}
}
