//go:build qemu && soak

package test

import (
	"fmt"
	"testing"
)

// Each allocation in turn is among those that fail, for many seeds.
func TestSoakDeniedAllocations(t *testing.T) {
	for every := 5; every <= 60; every++ {
		t.Run(fmt.Sprint(every), func(t *testing.T) { runDenied(t, every, "sysfuzz", fmt.Sprint(every), "4", "2000") })
	}
}
