//go:build qemu

package test

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// What a loader leaves on in control registers is off when the kernel runs: five-level
// page tables, no caches, SYSENTER, a breakpoint. gdb plays the loader: it stops at the
// entry, with paging off, and leads the CPU through code that sets the registers.
func TestLeftovers(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("gdb is not installed")
	}
	f := kernelELF(t)
	entry := f.Entry
	for _, p := range f.Progs {
		if p.Flags&elf.PF_X != 0 && entry >= p.Vaddr && entry < p.Vaddr+p.Memsz {
			entry += p.Paddr - p.Vaddr // paging is off there
			break
		}
	}
	socket := filepath.Join(t.TempDir(), "gdb")
	s := start(t, "--accel", "tcg", "--cpus", "2", "--qemu", "-S -gdb unix:"+socket+",server=on,wait=off")
	ctx, cancel := context.WithTimeout(t.Context(), patience.For(40*time.Second))
	defer cancel()
	require.Eventually(t, func() bool { // QEMU has made the socket
		_, err := os.Stat(socket)
		return err == nil
	}, patience.For(10*time.Second), 50*time.Millisecond)
	var bytes []string
	for _, b := range leftovers(uint32(entry)) {
		bytes = append(bytes, fmt.Sprint(b))
	}
	out, err := exec.CommandContext(ctx, "gdb", "-batch", "-nx", "-ex", "set architecture i386:x86-64", "-ex", "target remote "+socket,
		"-ex", fmt.Sprintf("hbreak *%#x", entry), "-ex", "continue", "-ex", "delete",
		"-ex", fmt.Sprintf("set {unsigned char[%d]}0x7c00 = {%s}", len(bytes), strings.Join(bytes, ",")), "-ex", "set $rip = 0x7c00",
		"-ex", fmt.Sprintf("hbreak *%#x", entry), "-ex", "continue", "-ex", "info registers cr0 cr4 efer",
		"-ex", "delete", "-ex", "detach").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{`cr0 +0x6000001d `, `cr4 +0x1000 +\[ LA57 \]`} {
		require.Regexp(t, want, string(out), "the loader's part")
	}
	s.expect("muster> ").say("test mitigations; test vector\r").expect("ok   mitigations").expect("ok   vector")
	s.say("poweroff\r").end(0)
}

// leftovers is 32-bit code that leaves control registers in a bad state and jumps to entry.
func leftovers(entry uint32) (code []byte) {
	const (
		ax = 0xb8 // mov eax, imm32; the others likewise
		cx = 0xb9
		dx = 0xba
	)
	load := func(op byte, v uint32) { code = binary.LittleEndian.AppendUint32(append(code, op), v) }
	msr := func(n, lo, hi uint32) {
		load(cx, n)
		load(ax, lo)
		load(dx, hi)
		code = append(code, 0x0f, 0x30)
	}
	load(ax, 1<<12)
	code = append(code, 0x0f, 0x22, 0xe0) // mov cr4, eax: LA57
	msr(0xc0000080, 1<<14, 0)             // EFER.FFXSR: FXSAVE without XMM
	msr(0x174, 0x10, 0)                   // SYSENTER leads to a segment
	msr(0x277, 0x06060606, 0x06060606)    // PAT: all write-back
	load(ax, 0x403)                       // a breakpoint at 0
	code = append(code, 0x0f, 0x23, 0xf8) // mov dr7, eax
	load(ax, 0x6000000d)                  // caches off, TS, EM
	code = append(code, 0x0f, 0x22, 0xc0) // mov cr0, eax
	load(ax, entry)
	return append(code, 0xff, 0xe0) // jmp eax
}
