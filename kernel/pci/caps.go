package pci

import (
	"errors"
	"fmt"
)

// Cap is one capability of a function.
type Cap struct {
	ID     uint8
	Offset int
}

// Capabilities that have names here.
const (
	CapPower   = 0x01
	CapMSI     = 0x05
	CapVendor  = 0x09
	CapExpress = 0x10
	CapMSIX    = 0x11
)

// maxCaps is the number of capabilities that fit between the header and offset 256.
const maxCaps = (0x100 - 0x40) / 4

// capabilities walks the list of capabilities. With an error it returns those before it.
func capabilities(cfg Config, a Addr) (list []Cap, err error) {
	if cfg.Read(a, offCommand)&statusCaps == 0 {
		return nil, nil
	}
	var seen [0x100]bool
	next := int(cfg.Read(a, offCaps)) & 0xfc
	for range maxCaps + 1 {
		switch {
		case next == 0:
			return list, nil
		case next < 0x40:
			return list, ErrPointer
		case seen[next]:
			return list, ErrLoop
		}
		seen[next] = true
		head := cfg.Read(a, next)
		if head == ^uint32(0) { // the device has gone
			return list, nil
		}
		list = append(list, Cap{uint8(head), next})
		next = int(head>>8) & 0xfc
	}
	return list, ErrLoop
}

// configBytes is the size of configuration space as the ports reach it: the bits of a
// register beyond it would name another function.
const configBytes = 0x100

// find returns where a capability begins that has at least some bytes. ok is false if the
// function has none, or if it would end beyond configuration space.
func (f *Function) find(id uint8, bytes int) (off int, ok bool) {
	for _, c := range f.Caps {
		if c.ID == id {
			return c.Offset, c.Offset+bytes <= configBytes
		}
	}
	return 0, false
}

// MSI is an interrupt that a device sends as a write of data to an address.
type MSI struct {
	Address uint64
	Data    uint32
}

// Errors of UseMSI.
var (
	ErrNoMSI = errors.New("neither MSI-X nor MSI")
	ErrTable = errors.New("the table of MSI-X is not in the function's memory")
)

// Bits of the MSI and MSI-X capabilities, in the upper half of their first word.
//
// Source: PCI Local Bus Specification 3.0, "MSI and MSI-X Operation".
const (
	msiEnable   = 1 << 16
	msiMultiple = 7 << 20
	msiWide     = 1 << 23 // the address has 64 bits

	msixEnable = 1 << 31
	msixMask   = 1 << 30 // all of them
	msixBIR    = 7
	entryMask  = 1 << 0
)

// Registers is a function's memory, mapped.
type Registers interface {
	Load32(off uintptr) uint32
	Store32(off uintptr, v uint32)
}

// UseMSI makes the function send its first interrupt by MSI-X if it has that, and else by
// MSI, and turns its line off. memory maps the memory at a base address register. The
// function may have sent by an earlier UseMSI: MSI-X keeps what happens meanwhile, and sends it by the new one; of plain MSI it may be lost. Each way ends with a read, which does
// not pass what the function has sent before.
//
// Source: PCI Local Bus Specification 3.0, "MSI and MSI-X Operation"; "Transaction Ordering
// and Posting".
func (f *Function) UseMSI(m MSI, memory func(BAR) (Registers, error)) error {
	err := f.useMSIX(m, memory)
	if errors.Is(err, ErrNoMSI) {
		err = f.plainMSI(m)
	}
	if err == nil {
		f.command(commandNoINTx, 0)
	}
	return err
}

func (f *Function) plainMSI(m MSI) error {
	off, ok := f.find(CapMSI, 12)
	if !ok {
		return ErrNoMSI
	}
	control := f.cfg.Read(f.Addr, off) &^ (msiEnable | msiMultiple) // one vector
	if control&msiWide != 0 && off+16 > configBytes {
		return ErrNoMSI
	}
	f.cfg.Write(f.Addr, off, control)
	f.cfg.Write(f.Addr, off+4, uint32(m.Address))
	data := off + 8
	if control&msiWide != 0 {
		f.cfg.Write(f.Addr, off+8, uint32(m.Address>>32))
		data = off + 12
	}
	f.cfg.Write(f.Addr, data, m.Data)
	f.cfg.Write(f.Addr, off, control|msiEnable)
	f.cfg.Read(f.Addr, off)
	return nil
}

// useMSIX writes entry 0 of the table, while all entries are masked.
func (f *Function) useMSIX(m MSI, memory func(BAR) (Registers, error)) error {
	off, ok := f.find(CapMSIX, 12)
	if !ok {
		return ErrNoMSI
	}
	where := f.cfg.Read(f.Addr, off+4)
	at := uintptr(where &^ msixBIR)
	b, ok := f.Memory(int(where & msixBIR))
	if !ok || uint64(at)+16 > b.Size {
		return ErrTable
	}
	r, err := memory(b)
	if err != nil {
		return fmt.Errorf("the table of MSI-X: %w", err)
	}
	control := f.cfg.Read(f.Addr, off)
	f.cfg.Write(f.Addr, off, control|msixEnable|msixMask)
	r.Store32(at, uint32(m.Address))
	r.Store32(at+4, uint32(m.Address>>32))
	r.Store32(at+8, m.Data)
	r.Store32(at+12, r.Load32(at+12)&^entryMask)
	f.cfg.Write(f.Addr, off, (control|msixEnable)&^msixMask)
	r.Load32(at + 8)
	return nil
}
