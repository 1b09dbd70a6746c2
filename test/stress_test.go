//go:build qemu

package test

import (
	"fmt"
	"testing"
)

// Everything at once on 4 CPUs for a while, with the collector checking its own marking.
func TestStress(t *testing.T) {
	r := boot(t, "--mem", "512", "--timeout", "200", "--append", "GODEBUG=gccheckmark=1", "--run", fmt.Sprintf("test stress %d; cpus; mem", length(12, 60))).ok()
	r.matches(`stress: [1-9]\d* trees, [1-9]\d* nil dereferences, [1-9]\d* loops, [1-9]\d* tokens`)
}

// The same, shorter, on the debug build: with lock order and other checks on.
func TestStressDebug(t *testing.T) {
	boot(t, "--kernel", root+"/build/kernel-debug.elf", "--mem", "512", "--timeout", "200", "--run", fmt.Sprintf("test stress %d", length(6, 15))).ok()
}
