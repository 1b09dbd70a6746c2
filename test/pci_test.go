//go:build qemu

package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// Functions are found below bridges too, by memory and by ports, with their addresses and
// capabilities.
func TestPCI(t *testing.T) {
	for _, tc := range []struct{ machine, bridge, id, ways string }{
		{"q35", "pcie-root-port,slot=3,chassis=1,id=below,addr=0x5", "PCIe", "pci: 6 functions, by memory"},
		{"pc", "pci-bridge,chassis_nr=1,id=below,addr=0x5", "MSI", "pci: 6 functions, by ports"},
	} {
		t.Run(tc.machine, func(t *testing.T) {
			r := boot(t, "--machine", tc.machine, "--qemu", "-device "+tc.bridge, "--qemu", "-device qemu-xhci,bus=below", "--run", "pci; pci -json; dmesg").ok()
			r.has(tc.ways)
			r.matches(`00:05\.0 +1b36:[0-9a-f]{4} +PCI bridge +to bus 01 .*` + tc.id)
			found := 0
			for _, f := range decode[[]shell.PCI](r, "pci -json") {
				if f.Function[:2] == "01" {
					require.Equal(t, "xHCI", f.Name)
					require.Equal(t, uint64(0x4000), f.BARs[0].Size)
					require.Contains(t, f.Capabilities, "MSI-X")
					found++
				}
			}
			require.Equal(t, 1, found)
		})
	}
	boot(t, "--machine", "microvm", "--run", "pci -json").ok().has("\n[]\n")
}
