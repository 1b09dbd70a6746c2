package exec

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var le = binary.LittleEndian

// program builds a small static program and returns its file.
func program(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(src, []byte("package main\nfunc main() { println(1) }\n"), 0o644))
	exe := filepath.Join(dir, "main")
	cmd := exec.Command("go", "build", "-o", exe, src)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	file, err := os.ReadFile(exe)
	require.NoError(t, err)
	return file
}

func TestLoad(t *testing.T) {
	file := program(t)
	im, err := Load(file)
	require.NoError(t, err)
	require.Len(t, im.Segments, 3, "text, rodata, data")
	require.Equal(t, syscall.PROT_READ|syscall.PROT_EXEC, im.Segments[0].Prot)
	require.Equal(t, syscall.PROT_READ|syscall.PROT_WRITE, im.Segments[2].Prot)
	require.Greater(t, im.Segments[2].Size, uint64(len(im.Segments[2].Data)), "bss")
	require.NotZero(t, im.Phdr)
	text := im.Segments[0]
	require.True(t, im.Entry >= text.Addr && im.Entry < text.Addr+text.Size)
}

func TestLoadErrors(t *testing.T) {
	good := program(t)
	phoff := int(le.Uint64(good[32:]))
	load := 0 // offset of the first PT_LOAD header
	for i := phoff; ; i += 56 {
		if le.Uint32(good[i:]) == 1 {
			load = i
			break
		}
	}
	tests := map[string]func(b []byte) []byte{
		"empty":                func(b []byte) []byte { return nil },
		"text":                 func(b []byte) []byte { return []byte("#!/bin/sh\n") },
		"cut short":            func(b []byte) []byte { return b[:len(b)/2] },
		"header alone":         func(b []byte) []byte { return b[:64] },
		"other machine":        func(b []byte) []byte { le.PutUint16(b[18:], 183); return b },
		"position independent": func(b []byte) []byte { le.PutUint16(b[16:], 3); return b },
		"interpreter":          func(b []byte) []byte { le.PutUint32(b[load:], 3); return b },
		"data past the end":    func(b []byte) []byte { le.PutUint64(b[load+32:], 1<<40); return b },
		"file above memory":    func(b []byte) []byte { le.PutUint64(b[load+40:], 1); return b },
		"upper half":           func(b []byte) []byte { le.PutUint64(b[load+16:], 0xffffffff80200000); return b },
		"page 0":               func(b []byte) []byte { le.PutUint64(b[load+16:], 0); return b },
		"wraps":                func(b []byte) []byte { le.PutUint64(b[load+40:], 1<<63); return b },
		"no segments":          func(b []byte) []byte { le.PutUint16(b[56:], 0); return b },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(damage(append([]byte(nil), good...)))
			require.Error(t, err)
			require.Contains(t, err.Error(), "proc: ")
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) { Load(b) })
}

func TestStack(t *testing.T) {
	im := &Image{Entry: 0x401000, Phdr: 0x400040, Phnum: 7}
	args := []string{"prog", "-x", ""}
	env := []string{"K=V"}
	sp, b, err := Stack(im, args, env, [16]byte{1, 2, 3})
	require.NoError(t, err)
	require.Zero(t, sp%16)
	word := func(i int) uint64 { return le.Uint64(b[i*8:]) }
	str := func(addr uint64) string {
		s := b[addr-sp:]
		for i, c := range s {
			if c == 0 {
				return string(s[:i])
			}
		}
		return "?"
	}
	require.Equal(t, uint64(3), word(0))
	for i, a := range args {
		require.Equal(t, a, str(word(1+i)))
	}
	require.Zero(t, word(4))
	require.Equal(t, "K=V", str(word(5)))
	require.Zero(t, word(6))
	aux := map[uint64]uint64{}
	for i := 7; word(i) != auxNull; i += 2 {
		aux[word(i)] = word(i + 1)
	}
	require.Equal(t, uint64(0x401000), aux[auxEntry])
	require.Equal(t, uint64(4096), aux[auxPageSize])
	require.Equal(t, "prog", str(aux[auxExecFn]))
	require.Equal(t, byte(3), b[aux[auxRandom]-sp+2])

	_, _, err = Stack(im, []string{string(make([]byte, maxStrings+1))}, nil, [16]byte{})
	require.ErrorContains(t, err, "at most")
}
