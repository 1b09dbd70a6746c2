//go:build qemu

package test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/persist"
)

// resettable boots a machine that stays when the guest ends it, for a reset from outside.
func resettable(t *testing.T, args ...string) (*session, *qmp) {
	q, with := withQMP(t)
	args = append(args, "--qemu", "-action reboot=reset,shutdown=pause")
	return start(t, append(args, with...)...), q
}

// The log and the report of a panic survive a reset, with each firmware and loader: a reset
// from outside after a panic, and the command reboot.
func TestLastBoot(t *testing.T) {
	testLastBoot(t, map[string][]string{"pvh": {"--boot", "pvh"}, "bios": {"--boot", "bios"}, "uefi": {"--boot", "uefi"}})
}

func testLastBoot(t *testing.T, machines map[string][]string) {
	for name, args := range machines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, q := resettable(t, append(args, "--cpus", "2")...)
			s.expect("muster> ").say("dmesg -last\r").expect("nothing kept: no header at 0x").expect("muster> ")
			s.say("crash divide\r").expect("last events of cpu1, newest first")
			q.do("system_reset", nil)
			q.do("cont", nil)
			s.expect("the boot before ended in a panic; dmesg -last has the report").expect("muster> ")
			s.say("dmesg -last\r").expect("loaded by ").expect("smp: 2 of 2 CPUs online").expect("crash: breaking the core on request")
			s.expect("\nmuster: PANIC on cpu").expect("division by zero").expect("in muster/kernel/selftest.breakCore+0x").
				expect("<runtime.panicdivide>").expect("last events of cpu1, newest first").expect("muster> ")
			s.say("reboot\r").expect("loaded by ").expect("muster> ")
			s.say("dmesg -last\r").expect("the boot before ended in a panic").expect("smp: 2 of 2 CPUs online").expect("no panic\nmuster> ")
		})
	}
}

// kept is a variable: package persist knows it by its address alone.
var kept [persist.Size / 4]uint32

// What lies in the range may be anything: here the test is the loader, and leaves a log that
// was written for another machine, whole or damaged.
func TestHostileLastBoot(t *testing.T) {
	const address = 32 << 20 // with 128 MB
	for name, tc := range map[string]struct {
		change func(b []byte)
		want   []string
		lacks  string
	}{
		"whole":               {func([]byte) {}, []string{"[    1.500000] cpu1: of another boot\n[    0.000000] cpu0: \ufffd[2Jhello\nmuster: PANIC at \ufffd\n"}, "nothing kept"},
		"a damaged line":      {func(b []byte) { b[88] ^= 1 }, []string{"cpu1: of another boot\na checksum is wrong: the rest of 1 of the parts is left out\nmuster: PANIC"}, "hello"},
		"all headers damaged": {func(b []byte) { b[8] ^= 1; b[2*persist.BankSize+8] ^= 1 }, []string{"nothing kept: the checksum of what is at 0x2000000 is wrong\n"}, "of another boot"},
		"lines alone":         {func(b []byte) { b[0] ^= 1; b[2*persist.BankSize] ^= 1 }, []string{"nothing kept: no header at 0x2000000: "}, "of another boot"},
	} {
		t.Run(name, func(t *testing.T) {
			persist.Start(uintptr(unsafe.Pointer(&kept)), 3)
			persist.Log(1, 6, 1_500_000_000, []byte("of another boot"), nil)
			persist.Log(0, 6, 0, []byte("\x1b[2Jhello"), nil)
			persist.Report([]byte("muster: PANIC at \x00\n"))
			b := unsafe.Slice((*byte)(unsafe.Pointer(&kept)), persist.Size)
			tc.change(b)
			r := asLoader(t, "pvh", func(s *stub) {
				for i := 0; i < persist.Size; i += persist.BankSize {
					s.write(address+uint64(i), b[i:i+1024])
				}
			}, nil, "--run", "dmesg -last; dmesg -last -json").ok()
			require.NotContains(t, r.log, tc.lacks)
			r.has(tc.want...)
		})
	}
}
