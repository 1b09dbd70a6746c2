package pci

import "fmt"

// classes names base classes and subclasses that PCs have.
//
// Source: PCI Code and ID Assignment Specification, "Class Codes".
var classes = map[uint32]string{
	0x0101: "IDE", 0x0106: "SATA", 0x0108: "NVMe", 0x01: "storage",
	0x0200: "Ethernet", 0x02: "network", 0x0300: "VGA", 0x03: "display",
	0x0403: "audio", 0x04: "multimedia", 0x05: "memory",
	0x0600: "host bridge", 0x0601: "ISA bridge", 0x0604: "PCI bridge", 0x06: "bridge",
	0x0700: "serial port", 0x07: "communication", 0x08: "system", 0x09: "input",
	0x0c05: "SMBus", 0x0c0300: "UHCI", 0x0c0310: "OHCI", 0x0c0320: "EHCI", 0x0c0330: "xHCI", 0x0c: "serial bus",
}

// ClassName returns what a function is.
func (f *Function) ClassName() string {
	for shift := 0; shift <= 16; shift += 8 {
		if name, ok := classes[f.Class>>shift]; ok {
			return name
		}
	}
	return fmt.Sprintf("class %06x", f.Class)
}

// capNames names capabilities.
var capNames = map[uint8]string{CapPower: "power", CapMSI: "MSI", CapVendor: "vendor", CapExpress: "PCIe", CapMSIX: "MSI-X"}

// String returns the capability's name, or its number.
func (c Cap) String() string {
	if name, ok := capNames[c.ID]; ok {
		return name
	}
	return fmt.Sprintf("%#02x", c.ID)
}
