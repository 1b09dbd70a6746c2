package main

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// keptRegisters are the vector registers that core code may change: the entry for
// system calls saves these of ring 3, and no others (kernel/trap/state.go:kept).
var keptRegisters = []x86asm.Reg{x86asm.X14, x86asm.X15}

// changesVectors lists functions of the runtime that change other vector registers, or
// the upper halves of all, and the functions that may call them nevertheless: code that
// runs before the first program, or after the last.
var changesVectors = map[string][]string{
	"runtime.memmove": {"muster/kernel/cmdline.", "muster/kernel/start.", "muster/kernel/memmap.", "muster/trampoline.",
		"muster/kernel/cpus.UseTrampoline", "muster/kernel/cpus.putTrampolineAway"},
	"runtime.memequal":             {"muster/kernel/cmdline.", "muster/kernel/crash."},
	"runtime.memclrNoHeapPointers": nil,
}

// notCode lists functions that are 16- or 32-bit code, which the decoder of 64-bit code
// takes for something else. They run before there is a program.
var notCode = []string{"muster/boot.entry32", "muster/boot.here", "muster/boot.refuse", "muster/boot.longMode",
	"muster/trampoline.code16", "muster/trampoline.code32"}

// checkVectors disassembles the functions of core packages in an ELF file. It returns
// every instruction that may change vector state of ring 3 that the entry for system
// calls does not save, and the number of instructions that it looked at.
func checkVectors(file string, core []string) (findings []string, n int, err error) {
	functions, bodies, err := coreCode(file, core)
	if err != nil {
		return nil, 0, err
	}
	for _, fn := range bodies {
		if slices.Contains(notCode, fn.name) {
			continue
		}
		code := fn.code
		for off := 0; off < len(code); {
			in, err := x86asm.Decode(code[off:], 64)
			if err != nil {
				if b := code[off]; b == 0xc4 || b == 0xc5 || b == 0x62 { // VEX or EVEX, of which the decoder knows little
					findings = append(findings, fn.name+" has an AVX instruction")
				}
				off++
				continue
			}
			n++
			pc := fn.start + uint64(off)
			off += in.Len
			if op := in.Op.String(); op[0] == 'V' && in.Op != x86asm.VERW && in.Op != x86asm.VERR {
				findings = append(findings, fn.name+" has an AVX instruction")
			}
			if r, ok := foreignRegister(in); ok {
				findings = append(findings, fmt.Sprintf("%s uses %s", fn.name, r))
			}
			if rel, ok := in.Args[0].(x86asm.Rel); ok && (in.Op == x86asm.CALL || in.Op == x86asm.JMP) {
				if to := find(functions, pc+uint64(in.Len)+uint64(int64(rel))); to != nil && !mayCall(fn.name, to.name) {
					findings = append(findings, fmt.Sprintf("%s calls %s, which changes vector registers: use a loop in place of copy, == of strings, or clear", fn.name, to.name))
				}
			}
		}
	}
	slices.Sort(findings)
	return slices.Compact(findings), n, nil
}

// foreignRegister returns a register of vector state in an instruction's operands that
// core code must not use.
func foreignRegister(in x86asm.Inst) (r x86asm.Reg, found bool) {
	for _, a := range in.Args {
		r, ok := a.(x86asm.Reg)
		if !ok {
			continue
		}
		vector := r >= x86asm.X0 && r <= x86asm.X15 && !slices.Contains(keptRegisters, r)
		if vector || r >= x86asm.F0 && r <= x86asm.F7 || r >= x86asm.M0 && r <= x86asm.M7 {
			return r, true
		}
	}
	return 0, false
}

// mayCall reports whether a core function may call another one, as far as vector
// registers are concerned.
func mayCall(from, to string) bool {
	list, changes := changesVectors[to]
	return !changes || slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(from, p) })
}
