package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os/exec"
	"path"
	"sort"
	"strings"

	"muster/kernel/layout"
)

// symbols names places in the kernel's code and its variables.
type symbols struct {
	kernel    string
	variables []elf.Symbol // by address
	places    map[uint64]string
}

func newSymbols(kernel string) (*symbols, error) {
	f, err := elf.Open(kernel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	s := &symbols{kernel: kernel, places: map[uint64]string{}}
	for _, v := range all {
		if elf.ST_TYPE(v.Info) == elf.STT_OBJECT && v.Size != 0 {
			s.variables = append(s.variables, v)
		}
	}
	sort.Slice(s.variables, func(i, j int) bool { return s.variables[i].Value < s.variables[j].Value })
	return s, nil
}

// look finds the places of instructions, with one process for all.
func (s *symbols) look(pcs []uint64) error {
	var in strings.Builder
	var asked []uint64
	for _, pc := range pcs {
		if _, ok := s.places[pc]; !ok {
			s.places[pc] = ""
			asked = append(asked, pc)
			fmt.Fprintf(&in, "%x\n", pc)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	cmd := exec.Command("go", "tool", "addr2line", s.kernel)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go tool addr2line: %w", err)
	}
	lines := strings.Split(string(bytes.TrimSuffix(out, []byte("\n"))), "\n")
	if len(lines) != 2*len(asked) {
		return fmt.Errorf("go tool addr2line: %d lines for %d addresses", len(lines), len(asked))
	}
	for i, pc := range asked {
		s.places[pc] = strings.TrimPrefix(lines[2*i], "muster/kernel/") + " " + path.Base(lines[2*i+1])
	}
	return nil
}

// variable names what lies in a line of the kernel's image, "" if nothing does. QEMU loads the
// kernel by PVH where it is linked to.
func (s *symbols) variable(address uint64) string {
	const bytes = 64
	at := address + layout.ImageBase
	var all []string
	i := sort.Search(len(s.variables), func(i int) bool { return s.variables[i].Value+s.variables[i].Size > at })
	for ; i < len(s.variables) && s.variables[i].Value < at+bytes; i++ {
		all = append(all, strings.TrimPrefix(s.variables[i].Name, "muster/kernel/"))
	}
	return strings.Join(all, ", ")
}
