package exec

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint16(b[at:], v); return b }
	}
	put64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint64(b[at:], v); return b }
	}
	is := func(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }
	tests := map[string]struct {
		damage func(b []byte) []byte
		what   string // in the error: what the file is
		do     string // and what its owner can do
	}{
		"empty":                {is(""), "the file is empty", giveProgram},
		"script":               {is("#!/bin/sh -e\necho\n"), `a script for "/bin/sh -e"`, giveProgram},
		"long script":          {is("#!" + strings.Repeat("x", 1000)), `x..."`, giveProgram},
		"text":                 {is("GO := go\n\nrun: setup\n"), "text, not a program", giveProgram},
		"text, cut within ä":   {is(strings.Repeat("a", 511) + "ä"), "text, not a program", giveProgram},
		"noise":                {is("\x00\x01\x02\xff"), "data of an unknown kind", giveProgram},
		"Windows":              {is("MZ\x90\x00"), "a program for Windows", giveProgram},
		"macOS":                {is("\xcf\xfa\xed\xfe\x07"), "a program for macOS", giveProgram},
		"archive":              {is("!<arch>\n__.PKGDEF"), "a library of object files", "build a program"},
		"gzip":                 {is("\x1f\x8b\x08"), "compressed by gzip", "unpack it"},
		"magic number alone":   {is("\x7fELF"), "cut short: it has 4 bytes", buildAgain},
		"header alone":         {func(b []byte) []byte { return b[:64] }, "cut short: it has 64 bytes", buildAgain},
		"cut short":            {func(b []byte) []byte { return b[:len(b)/2] }, "cut short", buildAgain},
		"ARM64":                {put16(18, 183), "a program for ARM64", "build it with GOARCH=amd64"},
		"32-bit":               {func(b []byte) []byte { b[4] = 1; le.PutUint16(b[18:], 3); return b }, "a program for 32-bit x86", "build it with GOARCH=amd64"},
		"big endian":           {func(b []byte) []byte { b[5] = 2; b[18], b[19] = 0, 22; return b }, "a program for IBM Z", "build it with GOARCH=amd64"},
		"rare machine":         {put16(18, 0x1234), "a program for ", "build it with GOARCH=amd64"},
		"FreeBSD":              {func(b []byte) []byte { b[7] = 9; return b }, "a program for FreeBSD", "build it with GOOS=linux"},
		"object file":          {put16(16, 1), "an object file", "link it"},
		"core dump":            {put16(16, 4), "a core dump", "give the program itself"},
		"no type":              {put16(16, 0), "an ELF file of type 0", giveProgram},
		"position independent": {put16(16, 3), "a position-independent executable or a shared library", buildExe},
		"interpreter":          {func(b []byte) []byte { le.PutUint32(b[load:], 3); return b }, "a dynamically linked program", buildStatic},
		"dynamic section":      {func(b []byte) []byte { le.PutUint32(b[load:], 2); return b }, "a dynamically linked program", buildStatic},
		"data past the end":    {put64(load+32, 1<<40), "cut short", buildAgain},
		"offset wraps":         {put64(load+8, 1<<63), "", ""},
		"large header":         {put16(54, 64), "a damaged program: its program headers have 64 bytes each", buildAgain},
		"headers far away":     {put64(32, 1<<63), "a damaged program: its program headers are at 0x8000000000000000", buildAgain},
		"many headers": {func(b []byte) []byte {
			return append(put64(32, uint64(len(b)))(put16(56, 0xffff)(b)), make([]byte, 4<<20)...)
		},
			"a damaged program: it has 65535 program headers", buildAgain},
		"old version": {func(b []byte) []byte { b[6] = 0; return b }, "a damaged program: it has version 0", buildAgain},
		"big-endian numbers": {func(b []byte) []byte { b[5] = 2; copy(b[16:], []byte{0, 2, 0, 62}); return b },
			"a damaged program: its numbers are not little-endian", buildAgain},
		"file above memory": {put64(load+40, 1), "segment out of range", "64 KiB to 128 TiB"},
		"upper half":        {put64(load+16, 0xffffffff80200000), "segment out of range", "64 KiB to 128 TiB"},
		"page 0":            {put64(load+16, 0), "segment out of range", "64 KiB to 128 TiB"},
		"wraps":             {put64(load+40, 1<<63), "segment out of range", "64 KiB to 128 TiB"},
		"no segments":       {put16(56, 0), "without a segment to load", buildAgain},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(tc.damage(append([]byte(nil), good...)))
			require.ErrorContains(t, err, tc.what)
			require.ErrorContains(t, err, tc.do)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// A program needs no sections to run. Whatever they say costs nothing, however large it is,
// and however wrong it is.
func TestLoadIgnoresSections(t *testing.T) {
	good := program(t)
	header := func(kind, link uint32, offset, size uint64) []byte {
		b := make([]byte, 64)
		le.PutUint32(b[4:], kind)
		le.PutUint64(b[24:], offset)
		le.PutUint64(b[32:], size)
		le.PutUint32(b[40:], link)
		return b
	}
	// with appends section headers, of which names is the number of the one with the names.
	with := func(count, names uint16, headers ...[]byte) []byte {
		b := append([]byte(nil), good...)
		le.PutUint64(b[40:], uint64(len(b)))
		le.PutUint16(b[60:], count)
		le.PutUint16(b[62:], names)
		for _, h := range headers {
			b = append(b, h...)
		}
		return b
	}
	const many, text = 1000, 1 << 20
	long := make([][]byte, many)
	for i := range long {
		long[i] = header(0, 0, 0, 0)
	}
	long[many-1] = header(3, 0, 0, text)
	names := with(many, many-1, long...)
	le.PutUint64(names[len(names)-64+24:], uint64(len(names)))
	names = append(append(names, strings.Repeat("x", text-1)...), 0)

	for name, file := range map[string][]byte{
		"far away":          func() []byte { b := with(1, 0); le.PutUint64(b[40:], 1<<62); return b }(),
		"a wrong number":    append(with(0, 0xff05, header(0, 0, 0, 0xff00)), make([]byte, 0xff00*64)...),
		"a number too many": append(with(0, 0xffff, header(0, 0xff00, 0, 0xff00)), make([]byte, 0xff00*64)...),
		"long names":        names,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			im, err := Load(file)
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			require.Len(t, im.Segments, 3)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
		})
	}
}

// The output of C's compiler without options, and other kinds of its output.
func TestLoadCompiled(t *testing.T) {
	for flags, want := range map[string]string{
		"-pie":          `a dynamically linked program, and there are no files here to find "/`,
		"-no-pie":       `a dynamically linked program, and there are no files here to find "/`,
		"-c":            "an object file",
		"-shared -fPIC": "a position-independent executable or a shared library",
	} {
		t.Run(flags, func(t *testing.T) {
			dir := t.TempDir()
			src := filepath.Join(dir, "main.c")
			require.NoError(t, os.WriteFile(src, []byte("int main(void) { return 0; }\n"), 0o644))
			out, err := exec.Command("gcc", append(strings.Fields(flags), "-o", filepath.Join(dir, "main"), src)...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			file, err := os.ReadFile(filepath.Join(dir, "main"))
			require.NoError(t, err)
			_, err = Load(file)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestProgramAboveMemory(t *testing.T) {
	im := &Image{Segments: []Segment{{Data: make([]byte, 3<<20)}, {Size: 1 << 40}}}
	require.NoError(t, checkMemory(im, 4<<20), "memory after the file's data comes at first touch")
	require.EqualError(t, checkMemory(im, 2<<20), "the program takes 4 MiB of memory before it starts, and 2 MiB are free for programs; "+
		"give the machine more (qemu-run.sh --mem MB)")
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	for _, s := range starts {
		f.Add([]byte(s.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) { Load(b) })
}

func TestStack(t *testing.T) {
	im := &Image{Entry: 0x401000, Phdr: 0x400040, Phnum: 7}
	args := []string{"prog", "-x", ""}
	env := []string{"K=V"}
	sp, b, err := Stack(im, args, env, [16]byte{1, 2, 3}, 0x7000)
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
	require.Equal(t, uint64(0x7000), aux[auxVDSO])
	require.Equal(t, "prog", str(aux[auxExecFn]))
	require.Equal(t, byte(3), b[aux[auxRandom]-sp+2])

	_, _, err = Stack(im, []string{string(make([]byte, maxStrings+1))}, nil, [16]byte{}, 0)
	require.ErrorContains(t, err, "at most")
}
