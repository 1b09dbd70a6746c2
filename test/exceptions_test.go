//go:build qemu

package test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// emulated has the lines in which QEMU's emulation of a CPU differs from hardware, and why.
// Where QEMU raises nothing, the kernel has no part in it; TestBochsExceptions shows what it
// does with #AC, #SS and #XM.
var emulated = map[string]string{
	// INTO, WBINVD, INVD, alignment and canonical bases are not checked.
	"undefined in 64-bit mode": "no signal", "alignment": "no signal", "wbinvd": "no signal", "invd": "no signal",
	"wrfsbase not canonical": "no signal", "wrgsbase not canonical": "no signal", "ldmxcsr of reserved bits": "no signal",
	// #GP in place of #SS.
	"push to no address":                        "signal 11 code 128 addr 0x0, vector 13 error 0x0, ip code+0x3",
	"load by the frame pointer from no address": "signal 11 code 128 addr 0x0, vector 13 error 0x0, ip code+0x4",
	// The fault is that of the instruction at the address, not of the jump.
	"jump to no address":   "signal 11 code 128 addr 0x0, vector 13 error 0x0, ip 0x4000000000000000",
	"return to no address": "signal 11 code 128 addr 0x0, vector 13 error 0x0, ip 0x4000000000000000",
	// FWAIT alone looks for x87 exceptions, denormal operands raise none, SSE raises none at all.
	"x87 invalid": "signal 8 code 7 addr code+0xb, vector 16 error 0x0, ip code+0xb", "x87 denormal": "no signal",
	"x87 division by zero": "signal 8 code 3 addr code+0xb, vector 16 error 0x0, ip code+0xb",
	"x87 inexact":          "signal 8 code 6 addr code+0xb, vector 16 error 0x0, ip code+0xb",
	"SSE invalid":          "no signal", "SSE denormal": "no signal", "SSE division by zero": "no signal", "SSE overflow": "no signal",
	"SSE underflow": "no signal", "SSE inexact": "no signal", "SSE root of -1": "no signal",
}

// exceptions builds the program, and returns what it prints on the host's Linux.
func exceptions(t *testing.T) (exe string, want []string) {
	t.Helper()
	exe = build(t, "build", "./testdata/exceptions")
	out, err := exec.Command(exe).Output()
	require.NoError(t, err)
	want = strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(want), 350)
	return exe, want
}

// For each exception that ring 3 can raise the kernel's answer is Linux's: the signal, its
// code and address, and the vector, error code, CR2 and instruction pointer in the context.
// The host's Linux gives the answers to compare with.
func TestExceptions(t *testing.T) {
	exe, want := exceptions(t)
	seen := map[string]bool{}
	for model, cpus := range map[string]string{"max": "4", "max,-smap,-smep,-umip,-avx,-avx2": "1"} {
		t.Run(cpus, func(t *testing.T) {
			r := runApp(t, exe, nil, "--cpus", cpus, "--cpu", model, "--timeout", "60").ok()
			for _, line := range want {
				name, _, _ := strings.Cut(line, ": ")
				if other, ok := emulated[name]; ok {
					seen[name] = true
					line = name + ": " + other
				}
				require.Contains(t, r.log, line+"\n")
			}
		})
	}
	require.Len(t, seen, len(emulated), "every line of the table is one of the program's")
}
