package acpi

// Tables is what the root pointer leads to.
type Tables struct {
	Root RSDP
	From string  // "XSDT" or "RSDT"
	List []Table // in the firmware's order, each address once
}

// maxTables bounds how many pointers of a root table are followed.
const maxTables = 4096

// Load follows the root pointer. The XSDT is preferred; if it cannot be used the
// RSDT is. problems lists what was skipped; err says that there is no root table.
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
	t.From = table.Sig()
	width := 4
	if t.From == "XSDT" {
		width = 8
	}
	seen := map[uint64]bool{}
	body := table.TableData()
	for off := 0; off+width <= len(body) && len(seen) < maxTables; off += width {
		addr := uint64(u32(body[off:]))
		if width == 8 {
			addr = u64(body[off:]) // need not be aligned
		}
		if addr == 0 || seen[addr] {
			continue
		}
		seen[addr] = true
		one, err := ReadTable(mem, addr)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		t.List = append(t.List, one)
	}
	return t, problems, nil
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
