package acpi

// Tables is what the root pointer refers to.
type Tables struct {
	Root RSDP
	From string  // "XSDT" or "RSDT"
	List []Table // in the firmware's order, each address once
	Bad  []Bad   // pointers that lead to nothing usable
	Main Table   // the root table itself
}

// Bad is a table that cannot be used.
type Bad struct {
	Addr   uint64
	Header []byte // what could be read of the header
	Err    error
}

// maxTables is the largest number of a root table's pointers that are looked at, empty and
// repeated ones included. boot/acpi_test.go compares it with the boot code's.
const maxTables = 4096

// Load follows the root pointer. The XSDT is preferred; if it cannot be used the
// RSDT is read. problems lists what was skipped; err says that there is no root
// table.
func Load(mem Memory, root RSDP) (t Tables, problems []error, err error) {
	t.Root = root
	var table Table
	if root.XSDT != 0 {
		if table, err = readRoot(mem, root.XSDT, "XSDT"); err != nil {
			problems = append(problems, err)
		}
	}
	if (root.XSDT == 0 || err != nil) && root.RSDT != 0 {
		table, err = readRoot(mem, uint64(root.RSDT), "RSDT")
	}
	if err != nil {
		return t, problems, err
	}
	if table.Table == nil {
		return t, problems, &TableError{"RSDP", 16, ErrMissing}
	}
	t.From, t.Main = table.Sig(), table
	width := 4
	if t.From == "XSDT" {
		width = 8
	}
	seen := map[uint64]bool{}
	forPointers(table, width, func(addr uint64) {
		if addr == 0 || seen[addr] {
			return
		}
		seen[addr] = true
		one, err := ReadTable(mem, addr)
		switch {
		case err != nil:
			problems = append(problems, err)
			h, _ := mem(addr, headerLength)
			t.Bad = append(t.Bad, Bad{addr, h, err})
		case one.Sig() == "RSDT" || one.Sig() == "XSDT": // not followed: it could lead to a cycle
			problems = append(problems, &TableError{one.Sig(), 0, ErrNested})
		default:
			t.List = append(t.List, one)
		}
	})
	return t, problems, nil
}

// forPointers visits the first pointers of a root table, each of width bytes. Those of an
// XSDT need not be aligned. A pointer that is cut off at the end is left out.
func forPointers(table Table, width int, visit func(addr uint64)) {
	b := table.TableData()
	for off := 0; off+width <= len(b) && off < maxTables*width; off += width {
		if width == 8 {
			visit(u64(b[off:]))
		} else {
			visit(uint64(u32(b[off:])))
		}
	}
}

func readRoot(mem Memory, addr uint64, sig string) (Table, error) {
	t, err := ReadTable(mem, addr)
	if err != nil {
		return Table{}, err
	}
	if t.Sig() != sig {
		return Table{}, &TableError{sig, 0, ErrSignature}
	}
	return t, nil
}

// Find returns the first table with a signature.
func (t *Tables) Find(sig string) (Table, bool) {
	for _, x := range t.List {
		if x.Sig() == sig {
			return x, true
		}
	}
	return Table{}, false
}
