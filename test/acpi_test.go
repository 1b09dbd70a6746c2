//go:build qemu

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/acpi"
	"muster/kernel/shell"
)

// listing returns what an ACPI command lists as JSON, the first table of its kind.
func listing[T any](r *result, table string) T {
	all := decode[[]T](r, "acpi "+table+" -json")
	require.NotEmpty(r.t, all)
	return all[0]
}

// disassembled is the output of iasl -d: offset to value, for lines such as
//
//	[024h 0036 004h]          Local Apic Address : FEE00000
type disassembled map[int]string

var iaslLine = regexp.MustCompile(`(?m)^\[[0-9A-F]+h (\d+) +[0-9A-F]+h?\] +.*? : ([0-9A-F]+)`)

// disassemble gives a serial log to acpixtract and each table to iasl.
func disassemble(t *testing.T, log string) map[string]disassembled {
	t.Helper()
	for _, tool := range []string{"acpixtract", "iasl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed; scripts/setup.sh test installs it")
		}
	}
	dir := t.TempDir()
	// acpixtract takes a file for binary in which firmware has drawn a screen.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "serial.log"), []byte(log[strings.Index(log, "[    0.0"):]), 0o644))
	tool := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	tool("acpixtract", "-a", "serial.log")
	files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	tables := map[string]disassembled{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".dat")
		tool("iasl", "-d", f)
		text, err := os.ReadFile(filepath.Join(dir, name+".dsl"))
		require.NoError(t, err)
		fields := disassembled{}
		for _, m := range iaslLine.FindAllStringSubmatch(string(text), -1) {
			off, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			fields[off] = m[2]
		}
		tables[strings.ToUpper(name)] = fields
	}
	return tables
}

// is requires that the disassembler read a number at an offset.
func (d disassembled) is(t *testing.T, off int, want uint64) {
	t.Helper()
	got, err := strconv.ParseUint(d[off], 16, 64)
	require.NoError(t, err, "offset %d: %q", off, d[off])
	require.Equal(t, want, got, "offset %d", off)
}

// What the kernel decodes and what the reference disassembler decodes from the
// kernel's dump, by way of a serial log, is the same, field by field.
func TestACPIDump(t *testing.T) {
	machines := map[string][]string{
		"q35":  {"--boot", "pvh"},
		"pc":   {"--boot", "pvh", "--machine", "pc"},
		"uefi": {"--boot", "uefi", "--mem", "512", "--timeout", "120"},
		"numa": {"--boot", "pvh", "--cpus", "4", "--mem", "512", "--qemu", "-object memory-backend-ram,size=256M,id=a -object memory-backend-ram,size=256M,id=b " +
			"-numa node,memdev=a,cpus=0-1 -numa node,memdev=b,cpus=2-3 -numa dist,src=0,dst=1,val=21"},
	}
	for name, args := range machines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commands := "acpi -json; acpi madt -json; acpi facp -json; acpi hpet -json; acpi dump; uptime"
			if name == "numa" {
				commands += "; acpi srat -json; acpi slit -json"
			}
			r := boot(t, append(args, "--run", commands)...).ok()
			tables := disassemble(t, r.log)
			for _, x := range decode[shell.ACPI](r, "acpi -json").Tables {
				require.Contains(t, tables, x.Signature)
				require.Equal(t, "ok", x.Checksum)
				if x.Signature != "DSDT" && x.Signature != "SSDT" {
					tables[x.Signature].is(t, 4, uint64(x.Length))
				}
			}
			checkMADT(t, listing[acpi.MADT](r, "madt"), tables["APIC"])
			checkFADT(t, listing[acpi.FADT](r, "facp"), tables["FACP"])
			if h, ok := tables["HPET"]; ok {
				mine := listing[acpi.HPET](r, "hpet")
				h.is(t, 36, uint64(mine.ID))
				h.is(t, 44, mine.Address.Address)
				h.is(t, 53, uint64(mine.MinTick))
			}
			if name == "numa" {
				checkSRAT(t, listing[acpi.SRAT](r, "srat"), tables["SRAT"])
				slit := listing[struct {
					Localities int     `json:"localities"`
					Matrix     [][]int `json:"matrix"`
				}](r, "slit")
				tables["SLIT"].is(t, 36, uint64(slit.Localities))
				require.Equal(t, [][]int{{10, 21}, {21, 10}}, slit.Matrix)
			}
		})
	}
}

// checkMADT walks the entries as the disassembler printed them.
func checkMADT(t *testing.T, m acpi.MADT, d disassembled) {
	t.Helper()
	d.is(t, 36, m.LocalAPIC)
	for off := 44; d[off] != ""; {
		kind, err := strconv.ParseUint(d[off], 16, 8)
		require.NoError(t, err)
		n, err := strconv.ParseUint(d[off+1], 16, 8)
		require.NoError(t, err)
		switch kind {
		case 0:
			d.is(t, off+2, uint64(m.CPUs[0].UID))
			d.is(t, off+3, uint64(m.CPUs[0].APICID))
			m.CPUs = m.CPUs[1:]
		case 1:
			d.is(t, off+2, uint64(m.IOAPICs[0].ID))
			d.is(t, off+4, uint64(m.IOAPICs[0].Addr))
			d.is(t, off+8, uint64(m.IOAPICs[0].GSIBase))
			m.IOAPICs = m.IOAPICs[1:]
		case 2:
			d.is(t, off+3, uint64(m.Overrides[0].Source))
			d.is(t, off+4, uint64(m.Overrides[0].GSI))
			m.Overrides = m.Overrides[1:]
		case 4:
			m.LocalNMIs = m.LocalNMIs[1:]
		}
		off += int(n)
	}
	require.Empty(t, m.CPUs)
	require.Empty(t, m.IOAPICs)
	require.Empty(t, m.Overrides)
	require.Empty(t, m.LocalNMIs)
}

func checkFADT(t *testing.T, f acpi.FADT, d disassembled) {
	t.Helper()
	for off, want := range map[int]uint64{36: uint64(f.FACS), 40: uint64(f.DSDT), 46: uint64(f.SCI), 48: uint64(f.SMICommand),
		52: uint64(f.ACPIEnable), 56: uint64(f.PM1aEvent), 64: uint64(f.PM1aControl), 76: uint64(f.PMTimer), 80: uint64(f.GPE0), 88: uint64(f.PM1EventLen), 92: uint64(f.GPE0Len), 96: uint64(f.C2Latency), 109: uint64(f.BootArch), 112: uint64(f.Flags)} {
		d.is(t, off, want)
	}
	if f.ResetReg != nil {
		d.is(t, 120, f.ResetReg.Address)
		d.is(t, 128, uint64(*f.ResetValue))
	}
	if f.XDSDT != nil {
		d.is(t, 140, *f.XDSDT)
	}
}

func checkSRAT(t *testing.T, s acpi.SRAT, d disassembled) {
	t.Helper()
	for off := 48; d[off] != ""; {
		kind, err := strconv.ParseUint(d[off], 16, 8)
		require.NoError(t, err)
		n, err := strconv.ParseUint(d[off+1], 16, 8)
		require.NoError(t, err)
		switch kind {
		case 0:
			d.is(t, off+2, uint64(s.CPUs[0].Domain&0xff))
			d.is(t, off+3, uint64(s.CPUs[0].APICID))
			s.CPUs = s.CPUs[1:]
		case 1:
			d.is(t, off+2, uint64(s.Memory[0].Domain))
			d.is(t, off+8, s.Memory[0].Base)
			d.is(t, off+16, s.Memory[0].Size)
			s.Memory = s.Memory[1:]
		case 2:
			d.is(t, off+4, uint64(s.CPUs[0].Domain))
			d.is(t, off+8, uint64(s.CPUs[0].APICID))
			s.CPUs = s.CPUs[1:]
		}
		off += int(n)
	}
	require.Empty(t, s.CPUs)
	require.Empty(t, s.Memory)
}

// The topology printed is the one configured, whatever gaps the APIC ids have.
func TestTopology(t *testing.T) {
	for _, tc := range []struct{ sockets, dies, cores, threads int }{
		{1, 1, 4, 1}, {2, 1, 3, 1}, {1, 1, 3, 2}, {3, 1, 1, 2}, {2, 2, 3, 1}, {1, 3, 1, 2},
	} {
		n := tc.sockets * tc.dies * tc.cores * tc.threads
		layout := fmt.Sprintf("%d,sockets=%d,dies=%d,cores=%d,threads=%d", n, tc.sockets, tc.dies, tc.cores, tc.threads)
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			args := []string{"--qemu", "-smp " + layout, "--run", "cpus -topology -json; cpus -topology; cpus -json"}
			if tc.dies > 1 {
				// QEMU has leaf 1FH for Intel's CPUs alone, and SeaBIOS makes it abort there
				// ("encode_topo_cpuid1f: Assertion"): by UEFI it works.
				args = append(args, "--cpu", "max,vendor=GenuineIntel", "--boot", "uefi", "--mem", "512", "--timeout", "120")
			}
			r := boot(t, args...).ok()
			top := decode[acpi.Topology](r, "cpus -topology -json")
			require.Len(t, top.CPUs, n)
			var i int
			packages := renumber{}
			for s := range tc.sockets {
				for d := range tc.dies {
					for c := range tc.cores {
						for x := range tc.threads {
							p := top.CPUs[i]
							got := []uint32{packages.of(p.Package), p.Die, p.Core, p.Thread}
							require.Equal(t, []uint32{uint32(s), uint32(d), uint32(c), uint32(x)}, got, "cpu %d, APIC ID %d", i, p.APICID)
							i++
						}
					}
				}
			}
			require.Equal(t, tc.sockets, strings.Count(r.output("cpus -topology"), "package "))
			require.Equal(t, n, strings.Count(r.output("cpus -topology"), "online"))
			require.Len(t, decode[[]shell.CPU](r, "cpus -json"), n)
		})
	}
}

// renumber numbers values in the order in which they come.
type renumber map[uint32]uint32

func (m renumber) of(v uint32) uint32 {
	if _, ok := m[v]; !ok {
		m[v] = uint32(len(m))
	}
	return m[v]
}

// Nodes, distances and memory as configured.
func TestNUMA(t *testing.T) {
	r := boot(t, "--cpus", "6", "--mem", "768", "--qemu", "-smp 6,sockets=3,cores=2,threads=1 "+
		"-object memory-backend-ram,size=256M,id=a -object memory-backend-ram,size=512M,id=b "+
		"-numa node,nodeid=0,memdev=a -numa node,nodeid=1,memdev=b -numa node,nodeid=2 "+
		"-numa cpu,node-id=0,socket-id=0 -numa cpu,node-id=1,socket-id=1 -numa cpu,node-id=2,socket-id=2 "+
		"-numa dist,src=0,dst=1,val=15 -numa dist,src=0,dst=2,val=25 -numa dist,src=1,dst=2,val=35",
		"--run", "test nodes; test blocks; numa -json; cpus -topology -json; cpus -topology").ok()
	top := decode[acpi.Topology](r, "cpus -topology -json")
	var nodes []int
	for _, p := range top.CPUs {
		nodes = append(nodes, p.Node)
	}
	require.Equal(t, []int{0, 0, 1, 1, 2, 2}, nodes)
	require.Len(t, top.Nodes, 3)
	require.Equal(t, []byte{10, 15, 25}, top.Nodes[0].Distances)
	require.Equal(t, []byte{25, 35, 10}, top.Nodes[2].Distances)
	sum := func(n acpi.Node) (total uint64) {
		for _, m := range n.Memory {
			total += m.Size
		}
		return total
	}
	require.InDelta(t, 256<<20, sum(top.Nodes[0]), 1<<20, "except the hole below 1 MiB")
	require.Equal(t, uint64(512<<20), sum(top.Nodes[1]))
	require.Contains(t, r.output("cpus -topology"), "node 2: domain 2, distances [25 35 10]\n")
	r.matches(`mem: 3 nodes: 0 has 24\d MiB, 1 has 511 MiB, 2 has 0 MiB`).has("ok   nodes", "ok   blocks")
	rows := decode[[]shell.Node](r, "numa -json")
	require.Greater(t, rows[0].Free, uint64(230<<20), "all that the tests took is back")
	require.Greater(t, rows[1].Free, uint64(500<<20))
	require.Zero(t, rows[2].Free)
}
