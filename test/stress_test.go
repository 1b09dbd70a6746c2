//go:build qemu

package test

import "testing"

// A minute of everything at once on 4 CPUs, with the collector checking its own marking.
func TestStress(t *testing.T) {
	r := boot(t, "--mem", "512", "--timeout", "200", "--append", "GODEBUG=gccheckmark=1", "--run", "test stress 60; cpus; mem").ok()
	r.matches(`stress: [1-9]\d* trees, [1-9]\d* nil dereferences, [1-9]\d* loops, [1-9]\d* tokens`)
}

// The same, shorter, on the debug build: with lock order and other checks on.
func TestStressDebug(t *testing.T) {
	boot(t, "--kernel", root+"/build/kernel-debug.elf", "--mem", "512", "--timeout", "200", "--run", "test stress 15").ok()
}
