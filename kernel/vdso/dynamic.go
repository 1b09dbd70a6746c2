package vdso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// builder collects the names in the table of strings.
type builder struct{ strings []byte }

// add returns the offset of a name.
func (b *builder) add(name string) uint32 {
	if at := bytes.Index(b.strings, append([]byte(name), 0)); at > 0 && b.strings[at-1] == 0 {
		return uint32(at)
	}
	at := len(b.strings)
	b.strings = append(append(b.strings, name...), 0)
	return uint32(at)
}

func encode(v any) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, v)
	return b.Bytes()
}

// Versions of symbols: 1 is the library itself, 2 is version.
const (
	versionBase = 1
	versionOwn  = 2
)

// sections returns the sections, with all data but that of the dynamic section.
func (b *builder) sections(code []byte, textAt uint64, funcs []Func) []section {
	symbols := []elf.Sym64{{}}
	versions := []uint16{0}
	var names []string
	for i, f := range funcs {
		end := len(code)
		if i+1 < len(funcs) {
			end = funcs[i+1].Offset
		}
		symbols = append(symbols, elf.Sym64{
			Name: b.add(f.Name), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: secText,
			Value: textAt + uint64(f.Offset), Size: uint64(end - f.Offset),
		})
		versions = append(versions, versionOwn)
		names = append(names, f.Name)
	}
	defs := b.versionDefs()
	const alloc = elf.SHF_ALLOC
	return []section{
		{name: ".hash", kind: elf.SHT_HASH, flags: alloc, data: encode(hashTable(names)), link: secSymbols, entry: 4, align: 8},
		{name: ".dynsym", kind: elf.SHT_DYNSYM, flags: alloc, data: encode(symbols), link: secStrings, info: 1, entry: symbolSize, align: 8},
		{name: ".dynstr", kind: elf.SHT_STRTAB, flags: alloc, data: b.strings, align: 1},
		{name: ".gnu.version", kind: elf.SHT_GNU_VERSYM, flags: alloc, data: encode(versions), link: secSymbols, entry: 2, align: 2},
		{name: ".gnu.version_d", kind: elf.SHT_GNU_VERDEF, flags: alloc, data: encode(defs), link: secStrings, info: uint32(len(defs)), align: 8},
		{name: ".dynamic", kind: elf.SHT_DYNAMIC, flags: alloc, data: make([]byte, dynamicBytes), link: secStrings, entry: 16, align: 8},
		{name: ".shstrtab", kind: elf.SHT_STRTAB, align: 1},
		{name: ".text", kind: elf.SHT_PROGBITS, flags: alloc | elf.SHF_EXECINSTR, data: code, align: 16},
	}
}

// versionDef is a version that the library defines: Verdef and Verdaux.
type versionDef struct {
	Version, Flags, Index, Count uint16
	Hash, Aux, Next              uint32
	Name, AuxNext                uint32
}

const (
	versionDefBytes = 28
	versionDefAux   = 20
	versionFlagBase = 1
)

func (b *builder) versionDefs() []versionDef {
	return []versionDef{
		{1, versionFlagBase, versionBase, 1, hash(soname), versionDefAux, versionDefBytes, b.add(soname), 0},
		{1, 0, versionOwn, 1, hash(version), versionDefAux, 0, b.add(version), 0},
	}
}

// hash is the function of DT_HASH, and of versions.
//
// Source: System V ABI, "Hash Table".
func hash(name string) (h uint32) {
	for _, c := range []byte(name) {
		h = h<<4 + uint32(c)
		high := h & 0xf0000000
		h = (h ^ high>>24) &^ high
	}
	return h
}

// hashTable returns the table of DT_HASH for the symbols 1 and up.
func hashTable(names []string) []uint32 {
	buckets := uint32(len(names))
	t := make([]uint32, 2+len(names)+len(names)+1)
	t[0], t[1] = buckets, uint32(len(names)+1)
	bucket, chain := t[2:2+buckets], t[2+buckets:]
	for i, name := range names {
		b := hash(name) % buckets
		chain[i+1] = bucket[b]
		bucket[b] = uint32(i + 1)
	}
	return t
}

// dynamicBytes is the size of the dynamic section: 10 entries.
const dynamicBytes = 10 * 16

// dynamic returns the dynamic section.
func dynamic(sections []section, name uint32) []byte {
	at := func(n int) uint64 { return sections[n-1].at }
	return encode([dynamicBytes / 8]uint64{
		uint64(elf.DT_SONAME), uint64(name),
		uint64(elf.DT_HASH), at(secHash),
		uint64(elf.DT_STRTAB), at(secStrings),
		uint64(elf.DT_SYMTAB), at(secSymbols),
		uint64(elf.DT_STRSZ), uint64(len(sections[secStrings-1].data)),
		uint64(elf.DT_SYMENT), symbolSize,
		uint64(elf.DT_VERSYM), at(secVersions),
		uint64(elf.DT_VERDEF), at(secVersionDefs),
		uint64(elf.DT_VERDEFNUM), 2,
		uint64(elf.DT_NULL), 0,
	})
}
