package main

import (
	"debug/elf"
	"fmt"
	"slices"
	"sort"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// allowed lists the functions outside core packages that core code may call, with
// the reason. None allocates, blocks, or uses a real g.
var allowed = map[string]string{
	"runtime.morestack":              "the prologue's stack check; a fake g turns it into a panic of the core",
	"runtime.morestack_noctxt":       "as morestack",
	"runtime.panicBounds":            "a failed bounds check; ends in a panic of the core",
	"runtime.panicdivide":            "as panicBounds",
	"runtime.panicshift":             "as panicBounds",
	"runtime.panicoverflow":          "as panicBounds",
	"runtime.panicunsafeslicelen":    "as panicBounds",
	"runtime.panicunsafeslicenilptr": "as panicBounds",
	"runtime.panicunsafestringlen":   "as panicBounds",
	"runtime.memmove":                "assembly, no stack",
	"runtime.memclrNoHeapPointers":   "assembly, no stack",
	"runtime.memequal":               "assembly, no stack",
	"runtime.duffzero":               "assembly, no stack",
	"runtime.duffcopy":               "assembly, no stack",
}

// exceptions lists core functions that break the rule on purpose.
var exceptions = map[string]string{
	"muster/kernel/selftest.heapObject": "crash heap shows what a heap allocation in the core ends in",
}

// function is a symbol of the kernel.
type function struct {
	name       string
	start, end uint64
}

// checkCalls disassembles the functions of core packages in an ELF file. It returns
// every call or jump to a function that is neither core nor allowed, and the number
// of calls.
func checkCalls(file string, core []string, allowed map[string]string) (findings []string, n int, err error) {
	functions, bodies, err := coreCode(file, core)
	if err != nil {
		return nil, 0, err
	}
	for _, fn := range bodies {
		code := fn.code
		for off := 0; off < len(code); {
			in, err := x86asm.Decode(code[off:], 64)
			if err != nil {
				off++ // data, or 16- and 32-bit code, which the decoder rejects
				continue
			}
			pc := fn.start + uint64(off)
			off += in.Len
			rel, ok := in.Args[0].(x86asm.Rel)
			if !ok || in.Op != x86asm.CALL && in.Op != x86asm.JMP {
				continue
			}
			n++
			to := find(functions, pc+uint64(in.Len)+uint64(int64(rel)))
			if to == nil || to.name == fn.name || inCore(to.name, core) {
				continue
			}
			if _, ok := allowed[to.name]; !ok {
				findings = append(findings, fmt.Sprintf("%s calls %s", fn.name, to.name))
			}
		}
	}
	slices.Sort(findings)
	return slices.Compact(findings), n, nil
}

// body is a function with its code.
type body struct {
	function
	code []byte
}

// coreCode returns all functions of an ELF file by address, and the code of those in
// core packages that are not exceptions.
func coreCode(file string, core []string) (all []function, bodies []body, err error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if all, err = functionsOf(f); err != nil {
		return nil, nil, err
	}
	text := f.Section(".text")
	data, err := text.Data()
	if err != nil {
		return nil, nil, err
	}
	for _, fn := range all {
		if inCore(fn.name, core) && exceptions[fn.name] == "" {
			bodies = append(bodies, body{fn, data[fn.start-text.Addr : fn.end-text.Addr]})
		}
	}
	if len(bodies) == 0 {
		return nil, nil, fmt.Errorf("%s: no core function found", file)
	}
	return all, bodies, nil
}

// functionsOf returns the functions of a file by address.
func functionsOf(f *elf.File) ([]function, error) {
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	var list []function
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 0 {
			list = append(list, function{strings.TrimSuffix(s.Name, ".abi0"), s.Value, s.Value + s.Size})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].start < list[j].start })
	return list, nil
}

func find(list []function, addr uint64) *function {
	i := sort.Search(len(list), func(i int) bool { return list[i].end > addr })
	if i < len(list) && list[i].start <= addr {
		return &list[i]
	}
	return nil
}

// inCore reports whether a function belongs to one of the packages: its name is
// the package's path, a dot, and no further slash.
func inCore(name string, core []string) bool {
	for _, p := range core {
		if rest, ok := strings.CutPrefix(name, p+"."); ok && !strings.Contains(strings.SplitN(rest, "[", 2)[0], "/") {
			return true
		}
	}
	return false
}
