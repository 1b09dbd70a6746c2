//go:build qemu && soak

package test

import "testing"

// The range that a reset leaves as it is lies elsewhere with another size of memory.
func TestSoakLastBoot(t *testing.T) {
	machines := map[string][]string{}
	for _, mem := range []string{"64", "128", "512", "1024", "3072", "5000"} {
		machines["bios "+mem] = []string{"--boot", "bios", "--mem", mem}
		if mem != "64" { // too little for OVMF
			machines["uefi "+mem] = []string{"--boot", "uefi", "--mem", mem}
		}
	}
	machines["bios pc usb"] = []string{"--boot", "bios", "--machine", "pc", "--media", "usb"}
	testLastBoot(t, machines)
}
