//go:build qemu

package test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
)

func matched(t *testing.T, expression, text string) bool {
	t.Helper()
	ok, err := regexp.MatchString(expression, text)
	require.NoError(t, err)
	return ok
}

// kernelELF opens the linked kernel.
func kernelELF(t *testing.T) *elf.File {
	t.Helper()
	f, err := elf.Open(filepath.Join(root, "build", "kernel.elf"))
	require.NoError(t, err, "make build first")
	t.Cleanup(func() { f.Close() })
	return f
}

// symbol returns where a function of the kernel lies.
func symbol(t *testing.T, name string) (start, end uint64) {
	t.Helper()
	symbols, err := kernelELF(t).Symbols()
	require.NoError(t, err)
	for _, s := range symbols {
		if s.Name == name || s.Name == name+".abi0" {
			return s.Value, s.Value + s.Size
		}
	}
	require.Fail(t, "no symbol "+name)
	return 0, 0
}

// No segment is both writable and executable, and the segments are where
// kernel/layout says; the table in the image agrees with the program headers.
func TestSegments(t *testing.T) {
	f := kernelELF(t)
	var loads []*elf.Prog
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			loads = append(loads, p)
		}
	}
	require.Len(t, loads, 4)
	rights := []elf.ProgFlag{elf.PF_R, elf.PF_R | elf.PF_X, elf.PF_R, elf.PF_R | elf.PF_W}
	for i, p := range loads {
		require.Equal(t, rights[i], p.Flags)
		require.Zero(t, p.Vaddr%layout.PageSize)
		require.Equal(t, p.Vaddr-layout.ImageBase, p.Paddr)
	}
	require.Equal(t, uint64(layout.ImageBase+layout.Load), loads[0].Vaddr)

	head := make([]byte, 0x300)
	_, err := loads[0].ReadAt(head, 0)
	require.NoError(t, err)
	table := head[layout.SegmentsAddr-layout.ImageBase-layout.Load:]
	require.Equal(t, "MUSTER\x00\x00", string(table[:8]))
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(table[8+8*i:]) }
	end := func(p *elf.Prog) uint64 { return p.Vaddr + p.Memsz }
	require.Equal(t, loads[0].Vaddr, word(0))
	require.Equal(t, []uint64{loads[1].Vaddr, end(loads[1])}, []uint64{word(1), word(2)})
	require.Equal(t, []uint64{loads[2].Vaddr, end(loads[2])}, []uint64{word(3), word(4)})
	require.Equal(t, []uint64{loads[3].Vaddr, end(loads[3])}, []uint64{word(5), word(6)})
	require.Zero(t, word(6)%layout.LargePage, "the image ends on a 2 MiB boundary")
}

// The multiboot2 header lies in the first 32 KiB, with the right checksum.
func TestMultibootHeader(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(root, "build", "kernel.elf"))
	require.NoError(t, err)
	at := bytes.Index(file[:32<<10], []byte{0xd6, 0x50, 0x52, 0xe8})
	require.GreaterOrEqual(t, at, 0)
	require.Zero(t, at%8)
	sum := uint32(0)
	for i := 0; i < 16; i += 4 {
		sum += binary.LittleEndian.Uint32(file[at+i:])
	}
	require.Zero(t, sum)
}
