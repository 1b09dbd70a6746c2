package vdso

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/stretchr/testify/require"
)

var four = []Func{{"__vdso_clock_gettime", 0}, {"__vdso_gettimeofday", 0x100}, {"__vdso_time", 0x200}, {"__vdso_getcpu", 0x300}}

func TestImage(t *testing.T) {
	code := bytes.Repeat([]byte{0xcc}, 0x400)
	image, err := Image(code, 0x800, four)
	require.NoError(t, err)
	require.Len(t, image, 0xc00)
	require.Equal(t, code, image[0x800:])

	f, err := elf.NewFile(bytes.NewReader(image))
	require.NoError(t, err)
	require.Equal(t, elf.ET_DYN, f.Type)
	require.Equal(t, elf.EM_X86_64, f.Machine)
	require.Len(t, f.Progs, 2)
	require.Equal(t, elf.PF_R|elf.PF_X, f.Progs[0].Flags, "nothing can be written")
	require.Zero(t, f.Progs[0].Vaddr)
	symbols, err := f.DynamicSymbols()
	require.NoError(t, err)
	require.Len(t, symbols, 4)
	for i, s := range symbols {
		require.Equal(t, four[i].Name, s.Name)
		require.Equal(t, uint64(0x800+four[i].Offset), s.Value)
		require.Equal(t, uint64(0x100), s.Size)
		require.Equal(t, "LINUX_2.6", s.Version)
		require.Equal(t, ".text", f.Sections[s.Section].Name)
		require.Equal(t, elf.STT_FUNC, elf.ST_TYPE(s.Info))
	}
	name, err := f.DynString(elf.DT_SONAME)
	require.NoError(t, err)
	require.Equal(t, []string{"linux-vdso.so.1"}, name)
}

// The loaders go through the table of hashes, and find each name and no other one.
func TestHash(t *testing.T) {
	require.EqualValues(t, 0x3ae75f6, hash("LINUX_2.6"), "as in runtime/vdso_linux_amd64.go")
	require.EqualValues(t, 0xd35ec75, hash("__vdso_clock_gettime"))
	require.EqualValues(t, 0x315ca59, hash("__vdso_gettimeofday"))
	var names []string
	for _, f := range four {
		names = append(names, f.Name)
	}
	table := hashTable(names)
	find := func(name string) int {
		bucket, chain := table[2:2+table[0]], table[2+table[0]:]
		for i := bucket[hash(name)%table[0]]; i != 0; i = chain[i] {
			if names[i-1] == name {
				return int(i)
			}
		}
		return 0
	}
	for i, name := range names {
		require.Equal(t, i+1, find(name))
	}
	require.Zero(t, find("__vdso_getrandom"))
}

func TestImageErrors(t *testing.T) {
	_, err := Image(make([]byte, 0x400), 0x200, four)
	require.ErrorContains(t, err, "tables of 4 functions")
	_, err = Image(make([]byte, 0x900), 0x800, four)
	require.ErrorContains(t, err, "do not fit")
}
