// Package symtab finds function, file and line of an address in the kernel's own
// pclntab, the table that every Go binary has for tracebacks.
//
// runtime.FuncForPC allocates, and a panic report must not.
//
// Layer: core.
// Context: any, NMI too; reads constant memory.
// Locks: none.
// Manual: $GOROOT/src/runtime/symtab.go and $GOROOT/src/internal/abi/symtab.go
// of Go 1.20 to 1.26; symtab_test.go compares with runtime.FuncForPC.
// Chapter: docs/02-black-box.md.
// Left out: inlined calls: the line is the innermost one, the function the outermost.
package symtab

import "unsafe"

// magic is the first word of a pclntab since Go 1.20.
const magic = 0xfffffff1

// Offsets in the header, which starts with the magic word, two zero bytes, the
// instruction quantum and the pointer size.
const (
	offQuantum   = 6
	offPtrSize   = 7
	offFuncCount = 8
	offFuncNames = 32
	offUnits     = 40
	offFiles     = 48
	offPCTab     = 56
	offFuncTab   = 64
	headerSize   = 72
)

// Offsets in a function's record.
const (
	offNameOff = 4
	offPCSP    = 16
	offPCFile  = 20
	offPCLine  = 24
	offUnitOff = 32
	offFlag    = 41
	recordSize = 44
)

// Bits of the flag.
const (
	flagTopFrame = 1 << 0 // no function has called it
	flagSPWrite  = 1 << 1 // assembly that moves the stack pointer to another stack
)

// Table is a pclntab in memory.
type Table struct {
	data []byte
	text uint64 // address of the first function
	n    int    // functions
}

// Symbol says where an address is.
type Symbol struct {
	Func  string // "muster/kernel/mem.(*Space).Fault"
	Entry uint64
	File  string
	Line  int
}

// Init takes the bytes from start to end, with functions from text on. It reports
// false when they are not a pclntab of a known version.
func (t *Table) Init(start, end, text uintptr) bool {
	if end <= start || end-start < headerSize {
		return false
	}
	t.data = unsafe.Slice((*byte)(unsafe.Pointer(start)), end-start)
	t.text = uint64(text)
	t.n = int(t.word64(offFuncCount))
	return t.word32(0) == magic && t.data[offQuantum] == 1 && t.data[offPtrSize] == 8
}

// word32 and word64 return 0 outside the table: a damaged table must not stop a panic report.
func (t *Table) word32(off uint64) uint32 {
	if off+4 > uint64(len(t.data)) || off+4 < off {
		return 0
	}
	d := t.data[off : off+4]
	return uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16 | uint32(d[3])<<24
}

func (t *Table) word64(off uint64) uint64 {
	return uint64(t.word32(off)) | uint64(t.word32(off+4))<<32
}

// text returns the zero-terminated string at off.
func (t *Table) str(off uint64) string {
	end := off
	for end < uint64(len(t.data)) && t.data[end] != 0 {
		end++
	}
	if off >= end {
		return ""
	}
	return unsafe.String(&t.data[off], int(end-off))
}

// find returns the offsets of the record of the function that contains pc, and of
// the function's entry in the text.
func (t *Table) find(pc uint64) (rec uint64, entry uint32, ok bool) {
	tab := t.word64(offFuncTab)
	if t.n == 0 || pc < t.text || pc >= t.text+uint64(t.word32(tab+uint64(t.n)*8)) {
		return 0, 0, false
	}
	off := uint32(pc - t.text)
	lo, hi := 0, t.n // the last entry that is not above off
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if t.word32(tab+uint64(mid)*8) <= off {
			lo = mid
		} else {
			hi = mid
		}
	}
	return tab + uint64(t.word32(tab+uint64(lo)*8+4)), t.word32(tab + uint64(lo)*8), true
}

// Depth returns how many bytes the function at pc has put on the stack at that
// point: its return address lies above them. ok is false when that is not known.
func (t *Table) Depth(pc uint64) (bytes uint64, ok bool) {
	rec, entry, ok := t.find(pc)
	if !ok {
		return 0, false
	}
	d := t.value(t.word32(rec+offPCSP), uint32(pc-t.text)-entry)
	return uint64(d), d >= 0
}

// Switches reports whether the function at pc is assembly that is entered from another
// stack, or goes to another one: Depth says nothing about it then.
func (t *Table) Switches(pc uint64) bool {
	rec, _, ok := t.find(pc)
	return ok && t.word32(rec+offFlag)&(flagTopFrame|flagSPWrite) != 0
}

// Functions returns how many functions the table has, and Function the name and the address
// of one.
func (t *Table) Functions() int { return t.n }

func (t *Table) Function(i int) (name string, entry uint64) {
	tab := t.word64(offFuncTab) + uint64(i)*8
	rec := t.word64(offFuncTab) + uint64(t.word32(tab+4))
	return t.str(t.word64(offFuncNames) + uint64(t.word32(rec+offNameOff))), t.text + uint64(t.word32(tab))
}

// Extent returns the addresses of the first byte of the function that contains pc, and of
// the next function.
func (t *Table) Extent(pc uint64) (start, end uint64, ok bool) {
	_, entry, ok := t.find(pc)
	if !ok {
		return 0, 0, false
	}
	tab, end := t.word64(offFuncTab), uint64(t.word32(t.word64(offFuncTab)+uint64(t.n)*8))
	for lo, hi := 0, t.n; lo < hi; { // the first entry above pc
		mid := (lo + hi) / 2
		if e := t.word32(tab + uint64(mid)*8); t.text+uint64(e) > pc {
			end, hi = uint64(e), mid
		} else {
			lo = mid + 1
		}
	}
	return t.text + uint64(entry), t.text + end, true
}

// Lookup finds the function that contains pc. For a return address pass pc-1.
func (t *Table) Lookup(pc uint64) (s Symbol, ok bool) {
	rec, entry, ok := t.find(pc)
	if !ok {
		return s, false
	}
	off := uint32(pc - t.text)
	s.Entry = t.text + uint64(entry)
	s.Func = t.str(t.word64(offFuncNames) + uint64(t.word32(rec+offNameOff)))
	s.Line = int(t.value(t.word32(rec+offPCLine), off-entry))
	if file := t.value(t.word32(rec+offPCFile), off-entry); file >= 0 {
		unit := t.word64(offUnits) + (uint64(t.word32(rec+offUnitOff))+uint64(file))*4
		if name := t.word32(unit); name != 0xffffffff {
			s.File = t.str(t.word64(offFiles) + uint64(name))
		}
	}
	return s, true
}

// value decodes a pc-value table: pairs of deltas, zigzag value then pc. off is the
// offset in the function; -1 says that there is no value.
func (t *Table) value(table, off uint32) int32 {
	if table == 0 {
		return -1
	}
	p := t.word64(offPCTab) + uint64(table)
	val, pc := int32(-1), uint32(0)
	for first := true; ; first = false {
		var d uint32
		d, p = t.varint(p)
		if d == 0 && !first {
			return -1
		}
		if d&1 != 0 {
			val += int32(^(d >> 1))
		} else {
			val += int32(d >> 1)
		}
		d, p = t.varint(p)
		if d == 0 {
			return -1 // no progress: the table is damaged
		}
		pc += d
		if off < pc {
			return val
		}
	}
}

func (t *Table) varint(p uint64) (v uint32, next uint64) {
	for shift := uint(0); p < uint64(len(t.data)) && shift < 35; shift += 7 {
		b := t.data[p]
		p++
		v |= uint32(b&0x7f) << shift
		if b&0x80 == 0 {
			return v, p
		}
	}
	return 0, p
}
