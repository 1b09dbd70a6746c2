//go:build qemu

package test

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"muster/kernel/oldcpu"
)

// wanted returns the instructions that the comments after "//|" promise for a
// function of an assembly file. The macro ADDR32 stands for three.
func wanted(t *testing.T, file, function string) (list []string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	_, body, ok := strings.Cut(string(source), "TEXT ·"+function+"(SB)")
	require.True(t, ok, function)
	body, _, _ = strings.Cut(body, "\nTEXT ")
	for _, line := range strings.Split(body, "\n")[1:] {
		code, comment, promised := strings.Cut(line, "//|")
		code = strings.TrimSpace(code)
		switch {
		case promised:
			list = append(list, strings.TrimSpace(comment))
		case strings.HasPrefix(code, "ADDR32("):
			list = append(list, "call", "lea", "lea")
		case strings.HasPrefix(code, "BYTE"):
			require.Fail(t, "an instruction in bytes has no comment", line)
		}
	}
	return list
}

var operand = regexp.MustCompile(`^(j[a-z]+|call|lea|jmp)$`)

// decodes compares a function of the linked kernel, disassembled in a mode, with
// its comments. A comment without operands stands for any: where a jump goes is
// checked to be the start of an instruction.
func decodes(t *testing.T, file, pkg, function string, mode int) {
	t.Helper()
	start, end := symbol(t, pkg+"."+function)
	text := kernelELF(t).Section(".text")
	data, err := text.Data()
	require.NoError(t, err)
	code := data[start-text.Addr : end-text.Addr]
	list := wanted(t, file, function)
	require.NotEmpty(t, list)
	starts := map[int]bool{}
	var jumps []int
	off := 0
	for i, want := range list {
		require.Less(t, off, len(code), "function ends before %q", want)
		in, err := x86asm.Decode(code[off:], mode)
		require.NoError(t, err, "%s+%#x, want %q", function, off, want)
		starts[off] = true
		got := x86asm.IntelSyntax(in, uint64(off), nil)
		if operand.MatchString(want) {
			got, _, _ = strings.Cut(got, " ")
			if rel, ok := in.Args[0].(x86asm.Rel); ok {
				jumps = append(jumps, off+in.Len+int(rel))
			}
		}
		require.Equal(t, want, got, "%s: instruction %d at %#x", function, i, off)
		off += in.Len
	}
	for _, to := range jumps {
		if to >= 0 && to < off {
			require.True(t, starts[to], "%s: a jump into the middle of an instruction, %#x", function, to)
		}
	}
}

func TestDecodeStub(t *testing.T) {
	for _, f := range []string{"entry32", "here", "refuse"} {
		t.Run(f, func(t *testing.T) { decodes(t, "boot/boot_amd64.s", "muster/boot", f, 32) })
	}
}

func TestDecodePaint(t *testing.T) {
	decodes(t, "boot/paint_amd64.s", "muster/boot", "paint", 32)
}

func TestDecodeLongMode(t *testing.T) {
	decodes(t, "boot/longmode_amd64.s", "muster/boot", "longMode", 32)
}

// The pieces of the trampoline's page are no longer than the room they have there.
func TestTrampolinePiecesFit(t *testing.T) {
	for name, room := range map[string]uint64{"trampoline.code16": 0x100, "trampoline.code32": 0x80, "boot.longMode": 0x80, "trampoline.code64": 0x100} {
		start, end := symbol(t, "muster/"+name)
		require.LessOrEqual(t, end-start, room, name)
	}
}

func TestDecodeTrampoline(t *testing.T) {
	for mode, f := range map[int]string{16: "code16", 32: "code32", 64: "code64"} {
		t.Run(f, func(t *testing.T) {
			decodes(t, "trampoline/trampoline_amd64.s", "muster/trampoline", f, mode)
		})
	}
}

// The stub's 64-bit part has no bytes written by hand; it is decoded to its end.
func TestDecodeEntry64(t *testing.T) {
	for _, f := range []string{"entry64", "high"} {
		start, end := symbol(t, "muster/boot."+f)
		text := kernelELF(t).Section(".text")
		data, err := text.Data()
		require.NoError(t, err)
		for off := start; off < end; {
			in, err := x86asm.Decode(data[off-text.Addr:end-text.Addr], 64)
			require.NoError(t, err, "%s+%#x", f, off-start)
			off += uint64(in.Len)
			if in.Op == x86asm.JMP {
				break
			}
		}
	}
}

// STI holds interrupts off for one more instruction, so a window needs one before
// CLI, and the assembler drops some that the source names, such as NOP.
func TestDecodeWindow(t *testing.T) {
	start, end := symbol(t, "muster/kernel/cpu.Window")
	text := kernelELF(t).Section(".text")
	data, err := text.Data()
	require.NoError(t, err)
	var ops []x86asm.Op
	for off := start; off < end && len(ops) < 4; {
		in, err := x86asm.Decode(data[off-text.Addr:end-text.Addr], 64)
		require.NoError(t, err)
		ops = append(ops, in.Op)
		off += uint64(in.Len)
	}
	require.Equal(t, []x86asm.Op{x86asm.STI, x86asm.PAUSE, x86asm.CLI, x86asm.RET}, ops)
}

// The instructions that an old CPU lacks are where package start's list says, and the
// patterns of package oldcpu match them and nothing else there.
func TestOldCPUInstructions(t *testing.T) {
	for _, name := range []string{"kernel.elf", "kernel-debug.elf"} {
		t.Run(name, func(t *testing.T) { oldCPUInstructions(t, name) })
	}
}

func oldCPUInstructions(t *testing.T, kernel string) {
	file, err := elf.Open(filepath.Join(root, "build", kernel))
	require.NoError(t, err, "make build debug first")
	defer file.Close()
	rewritten := []string{"trap.common", "trap.restoreState", "trap.threadStart", "trap.syscallEntry", "trap.paranoid", "sched.exchange",
		"sched.saveProgram", "sched.loadProgram", "sched.swapPrograms", "cpu.SetUserGSBase", "cpu.UserGSBase", "cpu.SaveState", "cpu.RestoreState", "cpu.ClearSelectors"}
	text := file.Section(".text")
	data, err := text.Data()
	require.NoError(t, err)
	kinds := map[x86asm.Op]oldcpu.Kind{x86asm.RDFSBASE: oldcpu.Base, x86asm.RDGSBASE: oldcpu.Base, x86asm.WRFSBASE: oldcpu.Base,
		x86asm.WRGSBASE: oldcpu.Base, x86asm.XSAVE64: oldcpu.Vectors, x86asm.XRSTOR64: oldcpu.Vectors}
	list, err := file.Symbols()
	require.NoError(t, err)
	var found []string
	total := 0
	for _, s := range list {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Value < text.Addr || s.Value+s.Size > text.Addr+uint64(len(data)) {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(s.Name, "muster/kernel/"), ".abi0")
		listed := slices.Contains(rewritten, name)
		code := data[s.Value-text.Addr:][:s.Size]
		n := 0
		for off := 0; off < len(code); {
			in, err := x86asm.Decode(code[off:], 64)
			if err != nil {
				in.Len = 1
			}
			kind := kinds[in.Op]
			if kind != oldcpu.None {
				n++
				require.True(t, listed, "%s is not in package start's list, and has %s", name, in.Op)
			}
			for i := range in.Len {
				want := oldcpu.None
				if i == 0 {
					want = kind
				}
				if listed {
					require.Equal(t, want, oldcpu.At(code[off+i:]), "%s+%#x: %s", name, off+i, in)
				}
			}
			off += in.Len
		}
		if listed && s.Size > 0 {
			require.NotZero(t, n, "%s has none", name)
			found = append(found, name)
			total += n
		}
	}
	slices.Sort(found)
	slices.Sort(rewritten)
	require.Equal(t, rewritten, slices.Compact(found))
	require.Equal(t, 37, total, "instructions")
}

// Negative control: the comparison notices a comment that is wrong.
func TestDecodeNoticesWrongComments(t *testing.T) {
	good := wanted(t, "boot/boot_amd64.s", "here")
	require.Equal(t, []string{"mov eax, dword ptr [esp]", "ret"}, good)
	start, _ := symbol(t, "muster/boot.here")
	text := kernelELF(t).Section(".text")
	data, err := text.Data()
	require.NoError(t, err)
	in, err := x86asm.Decode(data[start-text.Addr:], 64) // the wrong mode
	require.NoError(t, err)
	require.NotEqual(t, good[0], x86asm.IntelSyntax(in, 0, nil), fmt.Sprint(in))
}
