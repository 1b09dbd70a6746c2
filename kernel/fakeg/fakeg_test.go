package fakeg

import (
	"debug/dwarf"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields returns the byte offsets of a struct's fields, from the DWARF of a
// small program built with this toolchain.
func fields(t *testing.T, name string) map[string]int64 {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(src, []byte("package main\nfunc main() {}\n"), 0o644))
	exe := filepath.Join(dir, "main")
	out, err := exec.Command("go", "build", "-o", exe, src).CombinedOutput()
	require.NoError(t, err, "%s", out)
	f, err := elf.Open(exe)
	require.NoError(t, err)
	defer f.Close()
	d, err := f.DWARF()
	require.NoError(t, err)
	for r := d.Reader(); ; {
		e, err := r.Next()
		require.NoError(t, err)
		require.NotNil(t, e, "no type %s", name)
		if e.Tag != dwarf.TagStructType || e.Val(dwarf.AttrName) != name {
			continue
		}
		typ, err := d.Type(e.Offset)
		require.NoError(t, err)
		m := map[string]int64{}
		for _, field := range typ.(*dwarf.StructType).Field {
			m[field.Name] = field.ByteOffset
		}
		return m
	}
}

func TestOffsets(t *testing.T) {
	g := fields(t, "runtime.g")
	require.Equal(t, int64(gStackLow*8), g["stack"])
	require.Equal(t, int64(gStackGuard0*8), g["stackguard0"])
	require.Equal(t, int64(gStackGuard1*8), g["stackguard1"])
	require.Equal(t, int64(gM*8), g["m"])
	buf := fields(t, "runtime.gobuf")
	require.Equal(t, int64(gSchedSP*8), g["sched"]+buf["sp"])
	require.Equal(t, int64(gSchedPC*8), g["sched"]+buf["pc"])
	require.Equal(t, int64(gSchedBP*8), g["sched"]+buf["bp"])
	require.Less(t, g["sched"]+buf["bp"], int64(64*8))
	m := fields(t, "runtime.m")
	for _, name := range []string{"g0", "gsignal", "curg", "p", "mcache", "mallocing", "locks"} {
		require.Less(t, m[name], int64(len(poison)*8), name)
	}
}
