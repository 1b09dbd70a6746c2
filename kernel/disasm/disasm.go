// Package disasm turns an instruction into text for the report of a panic, by the decoder
// golang.org/x/arch/x86/x86asm (BSD 3-Clause).
//
// Layer: service.
// Context: one CPU at a time. In a panic the memory that the decoder allocates comes from
// package crash; so nothing here uses fmt, maps or locks, which need a goroutine.
// Chapter: docs/02-black-box.md.
// Left out: names of addresses, which the caller knows better.
package disasm

import (
	"golang.org/x/arch/x86/x86asm"

	"muster/kernel/console"
)

// Instruction appends the instruction at the start of code, which lies at address at, to
// l. It returns its length, 0 for none that the decoder knows, and the address to which a
// jump or a call goes, 0 for other instructions.
func Instruction(code []byte, at uint64, l *console.Line) (length int, target uint64) {
	in, err := x86asm.Decode(code, 64)
	if err != nil || in.Len == 0 || in.Op == 0 {
		return 0, 0
	}
	for _, p := range in.Prefix {
		if p == 0 {
			break
		}
		if p&(x86asm.PrefixImplicit|x86asm.PrefixIgnored) != 0 {
			continue
		}
		switch p & 0xff {
		case x86asm.PrefixLOCK & 0xff:
			l.Str("lock ")
		case x86asm.PrefixREP & 0xff:
			l.Str("rep ")
		case x86asm.PrefixREPN & 0xff:
			l.Str("repne ")
		}
	}
	lower(l, in.Op.String())
	sized := false // a register says how many bytes the instruction moves
	for _, a := range in.Args {
		if _, ok := a.(x86asm.Reg); ok {
			sized = true
		}
	}
	for i, a := range in.Args {
		if a == nil {
			break
		}
		if i == 0 {
			l.Byte(' ')
		} else {
			l.Str(", ")
		}
		switch v := a.(type) {
		case x86asm.Reg:
			if v >= x86asm.X0 && v <= x86asm.X15 {
				l.Str("xmm").Dec(uint64(v - x86asm.X0))
			} else {
				lower(l, v.String())
			}
		case x86asm.Imm:
			number(l, int64(v))
		case x86asm.Rel:
			target = at + uint64(in.Len) + uint64(int64(v))
			l.Hex(target)
		case x86asm.Mem:
			if !sized && in.Op != x86asm.LEA {
				l.Str(sizeName(in.MemBytes))
			}
			memory(l, v, at+uint64(in.Len))
		}
	}
	return in.Len, target
}

// lower appends s in lower case.
func lower(l *console.Line, s string) {
	for i := range len(s) {
		b := s[i]
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		l.Byte(b)
	}
}

// number appends a signed number.
func number(l *console.Line, v int64) {
	if v < 0 {
		l.Byte('-')
		v = -v
	}
	l.Hex(uint64(v))
}

func sizeName(bytes int) string {
	switch bytes {
	case 1:
		return "byte "
	case 2:
		return "word "
	case 4:
		return "dword "
	case 8:
		return "qword "
	}
	return ""
}

// memory appends an operand in memory. next is the address of the next instruction, to
// which RIP refers.
func memory(l *console.Line, m x86asm.Mem, next uint64) {
	if m.Segment != 0 {
		lower(l, m.Segment.String())
		l.Byte(':')
	}
	l.Byte('[')
	if m.Base == x86asm.RIP {
		l.Hex(next + uint64(m.Disp)).Byte(']')
		return
	}
	some := false
	if m.Base != 0 {
		lower(l, m.Base.String())
		some = true
	}
	if m.Scale != 0 && m.Index != 0 {
		if some {
			l.Byte('+')
		}
		lower(l, m.Index.String())
		l.Byte('*').Dec(uint64(m.Scale))
		some = true
	}
	if m.Disp != 0 || !some {
		if some && m.Disp >= 0 {
			l.Byte('+')
		}
		number(l, m.Disp)
	}
	l.Byte(']')
}
