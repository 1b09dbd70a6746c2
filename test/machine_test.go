//go:build qemu

package test

import (
	"fmt"
	"path/filepath"
	"testing"
)

// A machine check that the hardware could not correct ends the kernel with a report that
// names the CPU, the bank and what it says; the machine does not reset without a word.
func TestMachineCheck(t *testing.T) {
	const status = "0xbe00000000000134" // valid, not corrected, enabled, with address and misc, state corrupt; a cache error
	for name, run := range map[string]string{"idle": "", "a busy core": "test ipi; test tlb; test stress 10\r", "a busy program": ""} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "monitor")
			options := []string{"--qemu", "-monitor unix:" + socket + ",server=on,wait=off"}
			if name == "a busy program" {
				options = append(options, "--app", build(t, "build", "./testdata/vectors"), "1000")
			}
			s := start(t, options...)
			if name == "a busy program" {
				s.expect(`is "vectors 1000"`)
			} else {
				s.expect("muster> ").say(run)
			}
			query(t, socket, 0, "mce 2 9 "+status+" 0x5 0x12345000 0x86")
			s.expect("PANIC on cpu2").expect("machine check; status, banks with an error on this CPU 0x5 0x1\n").
				expect("machine check: cpu2 bank 9: not corrected, state of the CPU corrupt, cache; status " + status + ", address 0x12345000, misc 0x86\n").
				end(125)
		})
	}
}

// One that goes to all CPUs is reported by one of them, with the banks of each.
func TestMachineCheckOfAll(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "monitor")
	s := start(t, "--cpu", "max,vendor=GenuineIntel,family=6,model=85", "--qemu", "-monitor unix:"+socket+",server=on,wait=off")
	s.expect("muster> ")
	query(t, socket, 0, "mce -b 1 3 0xbe0000000000009f 0x5 0x6000 0x86")
	s.expect("PANIC on cpu").expect("machine check").
		expect("machine check: cpu1 bank 3: not corrected, state of the CPU corrupt, memory controller; status 0xbe0000000000009f").end(125)
}

// A corrected error is logged, its bank is empty for the next, and the machine goes on.
func TestCorrectedMachineCheck(t *testing.T) {
	t.Parallel() // it mostly waits
	socket := filepath.Join(t.TempDir(), "monitor")
	s := start(t, "--qemu", "-monitor unix:"+socket+",server=on,wait=off", "--timeout", "120")
	s.expect("muster> ")
	for i := range 2 {
		query(t, socket, 0, fmt.Sprintf("mce 3 4 0x8c0000000000009%d 0x0 0x7000 0x0", i))
		s.expect(fmt.Sprintf("machine check: cpu3 bank 4: corrected, memory controller; status 0x8c0000000000009%d, address 0x7000", i))
	}
	s.say("poweroff\r").end(0)
}
