package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	acpitables "muster/kernel/acpi"
	"muster/kernel/near"
)

// Firmware is the content of the firmware's tables.
type Firmware struct {
	Tables   *acpitables.Tables // nil without ACPI
	Err      error              // why there is no table, or no usable one
	Topology *acpitables.Topology
}

// decoders decode the tables that the kernel reads, by signature.
var decoders = map[string]func(acpitables.Table) (any, error){
	"APIC": decoder(acpitables.ParseMADT),
	"SRAT": decoder(acpitables.ParseSRAT),
	"SLIT": func(t acpitables.Table) (any, error) {
		s, err := acpitables.ParseSLIT(t)
		if err != nil {
			return nil, err
		}
		return slit{s.Localities, s.Matrix()}, nil
	},
	"HPET": decoder(acpitables.ParseHPET),
	"SPCR": decoder(acpitables.ParseSPCR),
	"FACP": decoder(acpitables.ParseFADT),
	"MCFG": decoder(acpitables.ParseMCFG),
}

// otherNames are the specification's names of tables whose signature differs.
var otherNames = map[string]string{"MADT": "APIC", "FADT": "FACP"}

// slit is an SLIT in the form of the listing.
type slit struct {
	Localities int     `json:"localities"`
	Matrix     [][]int `json:"matrix"`
}

// decoder returns a parser's result in plain form: the part before the error, if
// there is one.
func decoder[T any](parse func(acpitables.Table) (*T, error)) func(acpitables.Table) (any, error) {
	return func(t acpitables.Table) (any, error) {
		v, err := parse(t)
		if v == nil {
			return nil, err
		}
		return v, err
	}
}

// tableNames returns the names that the command acpi takes: those that it lists,
// those that it can decode, and dump.
func tableNames(s *Shell) (names []string) {
	names = append(slices.Collect(maps.Keys(decoders)), slices.Collect(maps.Keys(otherNames))...)
	if t := s.sys.Firmware().Tables; t != nil {
		for _, row := range tableRows(t) {
			if row.Signature != "" { // the signature of some tables cannot be read
				names = append(names, row.Signature)
			}
		}
	}
	slices.Sort(names)
	return append(slices.Compact(names), "dump")
}

func acpi(_ context.Context, s *Shell, a args) error {
	f := s.sys.Firmware()
	switch {
	case f.Tables == nil:
		return f.Err
	case a.first() == "":
		return listTables(s, a, f.Tables)
	}
	name, ok := near.Match(a.first(), tableNames(s))
	if !ok {
		return fmt.Errorf("no table %q%s; the names are %s", a.first(), near.Suggest(a.first(), tableNames(s)), strings.Join(tableNames(s), ", "))
	}
	if name == "dump" {
		return dumpTables(s, a, append([]acpitables.Table{f.Tables.Main}, f.Tables.List...))
	}
	if sig, ok := otherNames[name]; ok {
		name = sig
	}
	return showTables(s, a, f.Tables, name)
}

// showTables prints all tables with a signature: decoded if the kernel has a
// decoder, else byte by byte.
func showTables(s *Shell, a args, t *acpitables.Tables, sig string) error {
	var usable []acpitables.Table
	var problems []error
	for _, x := range append([]acpitables.Table{t.Main}, t.List...) {
		if tableRow(x.Addr, x.Data(), "").Signature == sig {
			usable = append(usable, x)
		}
	}
	for _, b := range t.Bad {
		if tableRow(b.Addr, b.Header, "").Signature == sig {
			problems = append(problems, fmt.Errorf("the %s at %#x cannot be used: %w", sig, b.Addr, b.Err))
		}
	}
	if len(usable)+len(problems) == 0 {
		return fmt.Errorf("this machine has no %s", sig)
	}
	decode := decoders[sig]
	if decode == nil {
		return errors.Join(append(problems, dumpTables(s, a, usable))...)
	}
	found := []any{}
	for _, x := range usable {
		v, err := decode(x)
		if err != nil {
			problems = append(problems, err)
		}
		if v == nil {
			continue
		}
		found = append(found, v)
		if !a.json {
			if err := render(s.out, v); err != nil {
				return err
			}
		}
	}
	if a.json {
		problems = append(problems, s.printJSON(found))
	}
	return errors.Join(problems...)
}

// listTables lists the root table, the tables that it names, and the DSDT.
func listTables(s *Shell, a args, t *acpitables.Tables) error {
	rows := tableRows(t)
	if a.json {
		return s.printJSON(ACPI{RSDP: t.Root.Addr, From: t.From, Tables: rows})
	}
	where := fmt.Sprintf("at %#x", t.Root.Addr)
	if t.Root.Addr == 0 { // multiboot2 passes the bytes without their address
		where = "copied by the loader"
	}
	fmt.Fprintf(s.out, "RSDP %s, revision %d, tables from the %s\n", where, t.Root.Revision, t.From)
	return list(s, a, rows, "TABLE ADDRESS LENGTH REV OEM OEM-TABLE CHECKSUM", func(w io.Writer, t ACPITable) {
		fmt.Fprintf(w, "%s\t%#x\t%d\t%d\t%s\t%s\t%s\t", t.Signature, t.Address, t.Length, t.Revision, t.OEMID, t.TableID, t.Checksum)
	})
}

func tableRows(t *acpitables.Tables) []ACPITable {
	rows := []ACPITable{}
	for _, x := range append([]acpitables.Table{t.Main}, t.List...) {
		rows = append(rows, tableRow(x.Addr, x.Data(), "ok"))
	}
	for _, b := range t.Bad {
		rows = append(rows, tableRow(b.Addr, b.Header, b.Err.Error()))
	}
	return rows
}

// tableRow reads a header, which may be incomplete.
func tableRow(addr uint64, b []byte, state string) ACPITable {
	row := ACPITable{Address: addr, Checksum: state}
	if h := (acpitables.Header{}); len(b) >= acpitables.HeaderLength {
		h = acpitables.ParseHeader(b)
		row.Signature, row.Length, row.Revision, row.OEMID, row.TableID = h.Signature, h.Length, h.Revision, h.OEMID, h.TableID
	}
	return row
}

// dumpTables prints tables' bytes in acpidump's form.
func dumpTables(s *Shell, a args, all []acpitables.Table) error {
	if a.json {
		rows := []ACPIDump{}
		for _, x := range all {
			rows = append(rows, ACPIDump{x.Sig(), x.Addr, x.Data()})
		}
		return s.printJSON(rows)
	}
	for _, x := range all {
		if err := acpitables.Dump(s.out, x); err != nil {
			return err
		}
	}
	return nil
}

// topology draws packages, dies, cores, threads and nodes.
func topology(s *Shell, a args) error {
	t := s.sys.Firmware().Topology
	if a.json {
		return s.printJSON(t)
	}
	state := map[uint32]string{}
	for _, c := range s.sys.CPUs() {
		state[c.APICID] = c.State
	}
	cpus := slices.Clone(t.CPUs)
	slices.SortStableFunc(cpus, func(x, y acpitables.Processor) int {
		return slices.Compare([]uint32{x.Package, x.Die, x.Core, x.Thread}, []uint32{y.Package, y.Die, y.Core, y.Thread})
	})
	dies := t.Levels.Die != t.Levels.Package
	for i, c := range cpus {
		first := i == 0
		if first || cpus[i-1].Package != c.Package {
			fmt.Fprintf(s.out, "package %d\n", c.Package)
			first = true
		}
		if dies && (first || cpus[i-1].Die != c.Die) {
			fmt.Fprintf(s.out, "  die %d\n", c.Die)
			first = true
		}
		if first || cpus[i-1].Core != c.Core {
			fmt.Fprintf(s.out, "    core %d\n", c.Core)
		}
		where := state[c.APICID]
		if where == "" {
			where = "not started"
		}
		node := ""
		if c.Node >= 0 {
			node = fmt.Sprintf(", node %d", c.Node)
		}
		fmt.Fprintf(s.out, "      thread %d: cpu %d, APIC ID %d%s, %s\n", c.Thread, c.CPU, c.APICID, node, where)
	}
	for i, n := range t.Nodes {
		fmt.Fprintf(s.out, "node %d: domain %d, distances %v\n", i, n.Domain, n.Distances)
		for _, m := range n.Memory {
			fmt.Fprintf(s.out, "  memory %#x to %#x, %d MiB\n", m.Base, m.Base+(m.Size-1), m.Size>>20)
		}
	}
	if n := len(t.Standby); n > 0 {
		fmt.Fprintf(s.out, "%d more CPUs can be enabled\n", n)
	}
	return nil
}
