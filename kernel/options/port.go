package options

import (
	"errors"
	"strconv"
	"strings"

	"muster/kernel/setting"
)

// Port is a serial port: the address of its registers, 0 for none, and its ISA interrupt.
type Port struct {
	Base uint16
	IRQ  uint8
}

var errPort = errors.New("not an address below 0xfff8 and an interrupt below 16, such as 0x2f8/3")

// parsePort reads ADDRESS/IRQ.
func parsePort(text string) (p Port, err error) {
	_, irq, _ := strings.Cut(text, "/")
	b := setting.Base([]byte(text))
	i, err := strconv.ParseUint(irq, 10, 4)
	if err != nil || b == 0 || b > 0xfff8 {
		return p, errPort
	}
	return Port{b, uint8(i)}, nil
}
