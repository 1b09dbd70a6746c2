//go:build qemu

package test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
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

// Two builds of the image give the same bytes: in folders with names of other lengths, at
// other times, in another time zone, and with other rights of new files.
func TestImageIsReproducible(t *testing.T) {
	t.Parallel()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	files, err := list.Output()
	require.NoError(t, err)
	image := func(folder string, environment ...string) []byte {
		folder = filepath.Join(t.TempDir(), folder)
		run := func(dir, script string) {
			c := exec.Command("bash", "-euc", script)
			c.Dir, c.Env = dir, append(os.Environ(), environment...)
			c.Stdin = bytes.NewReader(files)
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		run(root, "git clone -q --no-checkout . "+folder+" && xargs -0 cp --parents -t "+folder)
		run(folder, "umask ${MASK:-022}; make --no-print-directory iso")
		data, err := os.ReadFile(filepath.Join(folder, "build", "muster.iso"))
		require.NoError(t, err)
		return data
	}
	first := image("a", "TZ=UTC")
	second := image("another/folder", "TZ=America/St_Johns", "MASK=077") // it begins seconds later: what has a clock's seconds differs
	require.Equal(t, len(first), len(second))
	for i := range first {
		if first[i] != second[i] {
			require.Fail(t, "the images differ", "first at byte %#x", i)
		}
	}
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
