package boot

// Offsets in hvm_start_info, version 1 (Xen, public/arch-x86/hvm/start_info.h).
const (
	pvhVersion     = 4
	pvhModuleCount = 12
	pvhModules     = 16
	pvhCommandLine = 24
	pvhRSDP        = 32
	pvhMemoryMap   = 40
	pvhMapCount    = 48
	pvhSize        = 56

	pvhModuleSize = 32 // address, size, command line, reserved: 8 bytes each
	pvhMapSize    = 24 // address, size, type, reserved
)

func parsePVH(in *Info, addr uint64, mem Memory) Code {
	in.Protocol = PVH
	h := mem(addr, pvhSize)
	if len(h) != pvhSize {
		return ErrReadable
	}
	in.use(addr, pvhSize)
	if u32(h[pvhVersion:]) < 1 {
		return ErrMemoryMap // version 0 has no memory map
	}
	in.RSDPAddr = number(h[pvhRSDP:], 8)
	if a := number(h[pvhCommandLine:], 8); a != 0 {
		for n := uint64(256); ; n *= 2 {
			b := mem(a, n)
			if b == nil {
				return ErrReadable
			}
			if t := text(b); len(t) < len(b) {
				in.CommandLine = t
				in.use(a, uint64(len(t))+1)
				break
			}
			if n > MaxCommandLine {
				return ErrCommandLine
			}
		}
	}
	if u32(h[pvhModuleCount:]) > maxModules {
		return ErrModules
	}
	if u32(h[pvhMapCount:]) > maxRegions {
		return ErrRegions
	}
	e := OK
	if in.modules.data, e = array(in, mem, number(h[pvhModules:], 8), u32(h[pvhModuleCount:]), pvhModuleSize); e != OK {
		return e
	}
	in.modules.size = pvhModuleSize
	if in.regions.data, e = array(in, mem, number(h[pvhMemoryMap:], 8), u32(h[pvhMapCount:]), pvhMapSize); e != OK {
		return e
	}
	in.regions.size = pvhMapSize
	if in.regions.len() == 0 {
		return ErrMemoryMap
	}
	return OK
}

// array reads n entries of size bytes.
func array(in *Info, mem Memory, addr uint64, n uint32, size uint64) ([]byte, Code) {
	if n == 0 || addr == 0 {
		return nil, OK
	}
	b := mem(addr, uint64(n)*size)
	if b == nil {
		return nil, ErrReadable
	}
	in.use(addr, uint64(n)*size)
	return b, OK
}
