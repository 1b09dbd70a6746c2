package pci

// BAR is one base address register, or two that have one address of 64 bits.
type BAR struct {
	Index    int
	Address  uint64
	Size     uint64 // 0 if it was not measured
	IO       bool
	Prefetch bool
}

// Bits of a base address register.
//
// Source: PCI Local Bus Specification 3.0, "Base Addresses".
const (
	barIO       = 1 << 0
	barKind     = 3 << 1
	barWide     = 2 << 1
	barPrefetch = 1 << 3
	barCount    = 6
)

// measured reports whether Scan measures the size of a function's registers. Meanwhile the
// function does not answer. Bridges, screens and serial ports may be in use.
func (f *Function) measured() bool {
	switch f.Class >> 16 {
	case 0, 0x03, classBridge, 0x07: // unknown and old devices, screens, bridges, communication
		return false
	}
	return true
}

// bars reads the base address registers of a device, and may measure them. The size is what the
// register does not keep of all ones; the function does not decode addresses meanwhile, so that it does
// not answer where other memory is.
func (f *Function) bars(measure bool) (list []BAR) {
	before := f.cfg.Read(f.Addr, offCommand) & 0xffff
	if measure {
		f.cfg.Write(f.Addr, offCommand, before&^(commandIO|commandMemory))
	}
	for i := 0; i < barCount; i++ {
		off := offBARs + 4*i
		low := f.cfg.Read(f.Addr, off)
		if low == ^uint32(0) { // the device has gone
			break
		}
		b := BAR{Index: i, IO: low&barIO != 0}
		wide := !b.IO && low&barKind == barWide && i+1 < barCount
		mask := uint64(^uint32(0xf))
		if b.IO {
			mask = uint64(^uint32(3))
		}
		b.Address = uint64(low) & mask
		b.Prefetch = !b.IO && low&barPrefetch != 0
		kept := ^uint64(0)
		if measure {
			kept = uint64(f.probe(off, low)) & mask
			if !wide {
				kept |= 0xffffffff << 32
			}
			if b.IO && kept&0xffff0000 == 0 { // some have 16 bits
				kept |= 0xffff0000
			}
		}
		if wide {
			high := f.cfg.Read(f.Addr, off+4)
			b.Address |= uint64(high) << 32
			if measure {
				kept |= uint64(f.probe(off+4, high)) << 32
			}
			i++
		}
		if measure {
			b.Size = -kept // the lowest bit that is kept
			if b.Size&(b.Size-1) != 0 {
				b.Size = 0 // no power of two: not a register that can be measured
			}
		}
		if b.Address != 0 {
			list = append(list, b)
		}
	}
	if measure {
		f.cfg.Write(f.Addr, offCommand, before)
	}
	return list
}

// probe returns what a register keeps of all ones, and restores it.
func (f *Function) probe(off int, before uint32) uint32 {
	f.cfg.Write(f.Addr, off, ^uint32(0))
	v := f.cfg.Read(f.Addr, off)
	f.cfg.Write(f.Addr, off, before)
	return v
}

// Memory returns the memory at a base address register. ok is false if there is none, or
// its size is not known.
func (f *Function) Memory(index int) (b BAR, ok bool) {
	for _, b := range f.BARs {
		if b.Index == index {
			return b, !b.IO && b.Size != 0 && b.Address+b.Size > b.Address
		}
	}
	return b, false
}
