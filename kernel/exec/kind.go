package exec

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NotRunnable says why a file is not started, and what its owner can do.
type NotRunnable struct {
	What string // "the file is text, not a program"
	Do   string // "give a static Linux program for x86-64"
}

func (e *NotRunnable) Error() string { return e.What + "; " + e.Do }

// What to do, by kind of file.
const (
	giveProgram = "give a static Linux program for x86-64 (Go: CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build)"
	buildAgain  = "copy or build it again"
	buildStatic = "build it with CGO_ENABLED=0 and -buildmode=exe (C: cc -static -no-pie)"
	buildExe    = "build it with -buildmode=exe (C: cc -static -no-pie)"
)

// starts are the first bytes of files that are not ELF files.
var starts = []struct{ bytes, what, do string }{
	{"MZ", "the file is a program for Windows", giveProgram},
	{"\xcf\xfa\xed\xfe", "the file is a program for macOS", giveProgram},
	{"\xce\xfa\xed\xfe", "the file is a program for macOS", giveProgram},
	{"\xca\xfe\xba\xbe", "the file is a program for macOS or a Java class", giveProgram},
	{"\x00asm", "the file is a WebAssembly module", giveProgram},
	{"!<arch>\n", "the file is a library of object files", "build a program: a Go package main, and C linked by cc"},
	{"\x1f\x8b", "the file is compressed by gzip", "unpack it first"},
	{"PK\x03\x04", "the file is a zip archive", "unpack it first"},
}

// identify returns why a file without an ELF header is not a program.
func identify(file []byte) *NotRunnable {
	if len(file) == 0 {
		return &NotRunnable{"the file is empty", giveProgram}
	}
	if line, ok := bytes.CutPrefix(file, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		return &NotRunnable{fmt.Sprintf("the file is a script for %q, and there are no files here to find that in", short(strings.TrimSpace(string(line)))), giveProgram}
	}
	for _, s := range starts {
		if bytes.HasPrefix(file, []byte(s.bytes)) {
			return &NotRunnable{s.what, s.do}
		}
	}
	if isText(file) {
		return &NotRunnable{"the file is text, not a program", giveProgram}
	}
	return &NotRunnable{"the file is data of an unknown kind", giveProgram}
}

// isText checks the first bytes.
func isText(file []byte) bool {
	file = file[:min(len(file), 512)]
	for len(file) > 0 {
		if !utf8.FullRune(file) {
			return true // cut within a character
		}
		r, n := utf8.DecodeRune(file)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && !strings.ContainsRune("\t\n\r\f", r) {
			return false
		}
		file = file[n:]
	}
	return true
}

// short shortens a name from a file, so that it does not fill the log.
func short(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

// machines are the usual names of architectures.
var machines = map[elf.Machine]string{
	elf.EM_386: "32-bit x86", elf.EM_ARM: "32-bit ARM", elf.EM_AARCH64: "ARM64", elf.EM_RISCV: "RISC-V",
	elf.EM_PPC64: "PowerPC", elf.EM_S390: "IBM Z", elf.EM_MIPS: "MIPS", elf.EM_LOONGARCH: "LoongArch", elf.EM_X86_64: "x86-64",
}

// systems are names of operating systems, by the ABI in the program's header.
var systems = map[elf.OSABI]string{
	elf.ELFOSABI_FREEBSD: "FreeBSD", elf.ELFOSABI_NETBSD: "NetBSD", elf.ELFOSABI_OPENBSD: "OpenBSD",
	elf.ELFOSABI_SOLARIS: "Solaris", elf.ELFOSABI_HPUX: "HP-UX", elf.ELFOSABI_AIX: "AIX",
}

// checkHeader checks the first 20 bytes of an ELF file, which are the same for
// every architecture: they say what the file is for.
func checkHeader(file []byte) error {
	if !bytes.HasPrefix(file, []byte(elf.ELFMAG)) {
		return identify(file)
	}
	if len(file) < 20 {
		return cutShort(file, 64)
	}
	word := func(at int) uint16 {
		if elf.Data(file[elf.EI_DATA]) == elf.ELFDATA2MSB {
			return uint16(file[at])<<8 | uint16(file[at+1])
		}
		return uint16(file[at]) | uint16(file[at+1])<<8
	}
	kind, machine, system := elf.Type(word(16)), elf.Machine(word(18)), elf.OSABI(file[elf.EI_OSABI])
	switch {
	case machine != elf.EM_X86_64:
		name := machines[machine]
		if name == "" {
			name = machine.String()
		}
		return &NotRunnable{"the file is a program for " + name, "build it with GOARCH=amd64"}
	case elf.Class(file[elf.EI_CLASS]) != elf.ELFCLASS64:
		return &NotRunnable{"the file is a program for x86-64 with 32-bit addresses (x32)", "build it for 64-bit addresses"}
	case system != elf.ELFOSABI_NONE && system != elf.ELFOSABI_LINUX:
		name := systems[system]
		if name == "" {
			name = system.String()
		}
		return &NotRunnable{"the file is a program for " + name, "build it with GOOS=linux"}
	case kind == elf.ET_REL:
		return &NotRunnable{"the file is an object file, which is not linked", "link it to a program: go build -o NAME of a package main, or cc"}
	case kind == elf.ET_CORE:
		return &NotRunnable{"the file is a core dump, the memory of a program that crashed", "give the program itself"}
	case kind != elf.ET_EXEC && kind != elf.ET_DYN:
		return &NotRunnable{fmt.Sprintf("the file is an ELF file of type %d, not a program", kind), giveProgram}
	}
	return nil
}

// checkLinked refuses programs that expect another program, the dynamic linker, to place
// or complete them.
func checkLinked(progs []elf.Prog64, file []byte) error {
	dynamic := false
	for _, p := range progs {
		switch elf.ProgType(p.Type) {
		case elf.PT_INTERP:
			name := "a dynamic linker"
			if n := uint64(len(file)); p.Off < n && p.Filesz <= n-p.Off {
				text, _, _ := strings.Cut(string(file[p.Off:p.Off+p.Filesz]), "\x00")
				name = fmt.Sprintf("%q", short(text))
			}
			return &NotRunnable{"the file is a dynamically linked program, and there are no files here to find " + name + " in", buildStatic}
		case elf.PT_DYNAMIC:
			dynamic = true
		}
	}
	switch {
	case elf.Type(u16(file[16:])) == elf.ET_DYN:
		return &NotRunnable{"the file is a position-independent executable or a shared library", buildExe}
	case dynamic:
		return &NotRunnable{"the file is a dynamically linked program", buildStatic}
	}
	return nil
}

// cutShort returns the error for a file that ends before the end of what its
// headers describe.
func cutShort(file []byte, end uint64) error {
	return &NotRunnable{fmt.Sprintf("the file is cut short: it has %d bytes, and its headers describe %d", len(file), end), buildAgain}
}

// programHeaders returns the program headers of a file whose header and length were
// checked. The sections, which a program that runs does not need, are not looked at: reading
// them would take as much memory as their lengths say.
func programHeaders(file []byte) ([]elf.Prog64, error) {
	phoff, size, n := u64(file[32:]), u16(file[54:]), u16(file[56:])
	var progs []elf.Prog64
	switch {
	case elf.Data(file[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return nil, damaged("its numbers are not little-endian")
	case elf.Version(file[elf.EI_VERSION]) != elf.EV_CURRENT:
		return nil, damaged("it has version %d of ELF", file[elf.EI_VERSION])
	case n > 0 && size != phdrSize:
		return nil, damaged("its program headers have %d bytes each", size)
	case n > maxHeaders:
		return nil, damaged("it has %d program headers", n)
	case n > 0 && (phoff > uint64(len(file)) || uint64(n)*phdrSize > uint64(len(file))-phoff):
		return nil, damaged("its program headers are at %#x", phoff)
	case n > 0:
		progs = make([]elf.Prog64, n)
		if _, err := binary.Decode(file[phoff:], binary.LittleEndian, progs); err != nil {
			return nil, damaged("%v", err)
		}
	}
	return progs, nil
}

func damaged(what string, args ...any) error {
	return &NotRunnable{"the file is a damaged program: " + fmt.Sprintf(what, args...), buildAgain}
}

// Sizes of ELF's headers. The program headers of a program that Linux runs fit in 64 KiB.
const (
	headerSize = 64
	phdrSize   = 56
	maxHeaders = 64 << 10 / phdrSize
)

// checkLength compares the file's length with the lengths in its program headers. What
// else the file has lost, such as symbols, a program that runs does not need.
func checkLength(file []byte) error {
	if len(file) < headerSize {
		return cutShort(file, headerSize)
	}
	end := uint64(headerSize)
	phoff, phnum := u64(file[32:]), uint64(u16(file[56:]))
	if phnum > 0 && phoff < 1<<62 {
		end = max(end, phoff+phnum*phdrSize)
	}
	for i := range phnum {
		at := phoff + i*phdrSize
		if at > uint64(len(file)) || uint64(len(file))-at < phdrSize {
			break
		}
		if off, n := u64(file[at+8:]), u64(file[at+32:]); off < 1<<62 && n < 1<<62 {
			end = max(end, off+n)
		}
	}
	if end > uint64(len(file)) {
		return cutShort(file, end)
	}
	return nil
}

// checkMemory compares the memory that a program needs before it starts with the
// bytes that are free for programs.
func checkMemory(im *Image, free uint64) error {
	need := uint64(0)
	for _, s := range im.Segments {
		need += uint64(len(s.Data)) + pageSize
	}
	if need <= free {
		return nil
	}
	return &NotRunnable{fmt.Sprintf("the program takes %d MiB of memory before it starts, and %d MiB are free for programs", (need+1<<20-1)>>20, free>>20),
		"give the machine more (qemu-run.sh --mem MB)"}
}
