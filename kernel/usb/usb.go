// Package usb reads what USB devices say of themselves, and makes key events of the
// reports of keyboards.
//
// Layer: pure.
// Context: any goroutine.
// Locks: Keys.mu guards the keys of a keyboard.
// Manual: Universal Serial Bus Specification 2.0, chapter 9 "USB Device Framework" and
// chapter 11 "Hub Specification"; Device Class Definition for Human Interface Devices
// 1.11, appendix B "Boot Interface Descriptors".
// Chapter: docs/13-devices.md.
// Left out: report descriptors: keyboards without the boot protocol.
package usb

import "errors"

// Request is a control request: the eight bytes of its setup packet.
type Request struct {
	Type, Code           uint8
	Value, Index, Length uint16
}

// Requests, by device, class and hub.
//
// Source: Universal Serial Bus Specification 2.0, "Standard Device Requests" and
// "Class-specific Requests"; HID 1.11, "Class-Specific Requests".
const (
	toDevice    = 0x00
	toInterface = 0x21 // of a class
	toPort      = 0x23 // of a hub
	fromDevice  = 0x80
	fromHub     = 0xa0
	fromPort    = 0xa3

	getStatus        = 0
	clearFeature     = 1
	setFeature       = 3
	getDescriptor    = 6
	setConfiguration = 9
	setReport        = 9
	setIdle          = 10
	setProtocol      = 11

	toEndpoint       = 0x02
	endpointHalt     = 0
	outputReport     = 2 << 8
	descDevice       = 1
	descConfig       = 2
	descInterface    = 4
	descEndpoint     = 5
	descHub          = 0x29
	deviceLength     = 18
	configHeadLength = 9
	hubLength        = 8
)

// IsIn reports whether the data comes from the device.
func (r Request) IsIn() bool { return r.Type&0x80 != 0 }

// GetDevice requests n bytes of the device descriptor.
func GetDevice(n int) Request {
	return Request{fromDevice, getDescriptor, descDevice << 8, 0, uint16(n)}
}

// GetConfiguration requests n bytes of the first configuration.
func GetConfiguration(n int) Request {
	return Request{fromDevice, getDescriptor, descConfig << 8, 0, uint16(n)}
}

// SetConfiguration chooses a configuration.
func SetConfiguration(v uint8) Request {
	return Request{toDevice, setConfiguration, uint16(v), 0, 0}
}

// SetBootProtocol makes a keyboard send the reports that firmware reads.
func SetBootProtocol(iface uint8) Request {
	return Request{toInterface, setProtocol, 0, uint16(iface), 0}
}

// SetIdle makes a keyboard send a report only when a key changes.
func SetIdle(iface uint8) Request { return Request{toInterface, setIdle, 0, uint16(iface), 0} }

// SetLights sends a keyboard one byte with its lights.
func SetLights(iface uint8) Request {
	return Request{toInterface, setReport, outputReport, uint16(iface), 1}
}

// ClearHalt lets an endpoint go on after an error.
func ClearHalt(endpoint uint8) Request {
	return Request{toEndpoint, clearFeature, endpointHalt, uint16(endpoint), 0}
}

// GetHub requests the descriptor of a hub.
func GetHub() Request { return Request{fromHub, getDescriptor, descHub << 8, 0, hubLength} }

// GetPort requests the status of a hub's port, four bytes.
func GetPort(port uint8) Request { return Request{fromPort, getStatus, 0, uint16(port), 4} }

// SetPort and ClearPort switch a feature of a hub's port.
func SetPort(port uint8, feature uint16) Request {
	return Request{toPort, setFeature, feature, uint16(port), 0}
}

// ClearPort switches a feature off, or acknowledges a change.
func ClearPort(port uint8, feature uint16) Request {
	return Request{toPort, clearFeature, feature, uint16(port), 0}
}

// Features of a hub's port, and bits of its status. The change of bit n is bit 16 + n, and
// the feature that acknowledges it is 16 + n.
const (
	PortReset = 4
	PortPower = 8

	PortConnected = 1 << 0
	PortEnabled   = 1 << 1
	PortLow       = 1 << 9
	PortHigh      = 1 << 10
	PortChanges   = 0x1f << 16
)

// Device is the device descriptor.
type Device struct {
	Class, Protocol uint8
	MaxPacket       uint8 // of endpoint 0, valid in the first 8 bytes already
	Vendor, Product uint16
}

// ErrDescriptor says that a descriptor is not what was requested.
var ErrDescriptor = errors.New("usb: malformed descriptor")

// ParseDevice decodes a device descriptor, or its first 8 bytes.
func ParseDevice(b []byte) (d Device, err error) {
	if len(b) < 8 || b[0] < deviceLength || b[1] != descDevice {
		return d, ErrDescriptor
	}
	d = Device{Class: b[4], Protocol: b[6], MaxPacket: b[7]}
	if len(b) >= deviceLength {
		d.Vendor, d.Product = u16(b[8:]), u16(b[10:])
	}
	return d, nil
}

// Endpoint is one endpoint.
type Endpoint struct {
	Address   uint8 // bit 7: from the device
	Kind      uint8 // 3 interrupt
	MaxPacket uint16
	Interval  uint8
}

// Interface is one interface, and its first interrupt endpoint from the device.
type Interface struct {
	Number, Class, Sub, Protocol uint8
	In                           Endpoint
}

// IsKeyboard reports whether an interface is a keyboard that firmware could use.
func (i Interface) IsKeyboard() bool {
	return i.Class == 3 && i.Sub == 1 && i.Protocol == 1 && i.In.Address != 0
}

// IsHub reports whether an interface is a hub's.
func (i Interface) IsHub() bool { return i.Class == 9 && i.In.Address != 0 }

// Configuration is a configuration with its interfaces, the first setting of each.
type Configuration struct {
	Value      uint8
	Interfaces []Interface
}

// ConfigurationLength returns the length of a whole configuration, from its first bytes.
func ConfigurationLength(b []byte) (int, error) {
	if len(b) < configHeadLength || b[1] != descConfig {
		return 0, ErrDescriptor
	}
	return max(int(u16(b[2:])), configHeadLength), nil
}

// ParseConfiguration decodes a configuration. What follows a malformed descriptor is left
// out.
func ParseConfiguration(b []byte) (c Configuration, err error) {
	n, err := ConfigurationLength(b)
	if err != nil {
		return c, err
	}
	b = b[:min(n, len(b))]
	c.Value = b[5]
	current := -1 // index of the interface whose endpoints follow
	for len(b) >= 2 && b[0] >= 2 && int(b[0]) <= len(b) {
		switch d := b[:b[0]]; {
		case d[1] == descInterface && len(d) >= 9:
			current = -1
			if d[3] == 0 {
				c.Interfaces = append(c.Interfaces, Interface{Number: d[2], Class: d[5], Sub: d[6], Protocol: d[7]})
				current = len(c.Interfaces) - 1
			}
		case d[1] == descEndpoint && len(d) >= 7 && current >= 0:
			e := Endpoint{Address: d[2], Kind: d[3] & 3, MaxPacket: u16(d[4:]) & 0x7ff, Interval: d[6]}
			if i := &c.Interfaces[current]; e.Kind == 3 && e.Address&0x80 != 0 && i.In.Address == 0 {
				i.In = e
			}
		}
		b = b[b[0]:]
	}
	return c, nil
}

// Hub is the descriptor of a hub.
type Hub struct {
	Ports   uint8
	Think   uint8 // time of its transaction translator, as the slot context has it
	PowerMS int   // from power to power good
}

// ParseHub decodes a hub's descriptor.
func ParseHub(b []byte) (h Hub, err error) {
	if len(b) < 6 || b[1] != descHub {
		return h, ErrDescriptor
	}
	return Hub{Ports: b[2], Think: b[3] >> 5 & 3, PowerMS: 2 * int(b[5])}, nil
}

func u16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
