package boot

import "muster/kernel/abi"

// Tags of the boot information (Multiboot2 Specification 2.0, "Boot information format").
const (
	tagEnd         = 0
	tagCommandLine = 1
	tagModule      = 3
	tagMemoryMap   = 6
	tagFramebuffer = 8
	tagEFI64       = 12
	tagRSDPv1      = 14
	tagRSDPv2      = 15

	tagHeader      = 8
	moduleHead     = tagHeader + 8 // start and end of the module, then its text
	maxInformation = 16 << 20      // far more than any loader's
)

// parseMultiboot2 reads the tags of the information at addr. The module tags are
// not an array, so the list keeps all tags and moduleTag selects the modules.
func parseMultiboot2(in *Info, addr uint64, mem Memory) Code {
	in.Protocol = Multiboot2
	head := mem(addr, 8)
	if len(head) != 8 {
		return ErrReadable
	}
	total := uint64(u32(head))
	if total < 16 || total > maxInformation {
		return ErrSize
	}
	data := mem(addr, total)
	if uint64(len(data)) != total {
		return ErrReadable
	}
	in.use(addr, total)
	in.tags = data[8:]
	for tags := in.tags; len(tags) >= tagHeader; {
		kind, size := u32(tags), int(u32(tags[4:]))
		if kind == tagEnd {
			break
		}
		if size < tagHeader || size > len(tags) {
			return ErrSize
		}
		if e := in.tag(kind, tags[:size]); e != OK {
			return e
		}
		tags = tags[min((size+7)&^7, len(tags)):]
	}
	if in.regions.len() == 0 {
		return ErrMemoryMap
	}
	if f := &in.Framebuffer; f.Kind == framebufferRGB && in.inRAM(f.Address, uint64(f.Pitch)*uint64(f.Height)) {
		in.Framebuffer, in.BadScreen = abi.Framebuffer{}, "its memory is RAM"
	}
	return OK
}

// tag reads one tag, header included.
func (in *Info) tag(kind uint32, t []byte) Code {
	body := t[tagHeader:]
	switch kind {
	case tagCommandLine:
		if in.CommandLine = text(body); len(in.CommandLine) > MaxCommandLine {
			return ErrCommandLine
		}
	case tagModule:
		if len(body) < 8 {
			return ErrSize
		}
		if in.moduleTags++; in.moduleTags > maxModules {
			return ErrModules
		}
	case tagMemoryMap:
		if len(body) < 8 {
			return ErrSize
		}
		size := int(u32(body))
		if size < 24 || size > 4096 {
			return ErrSize
		}
		entries := body[8:]
		in.regions = list{entries[:len(entries)/size*size], size}
		if in.regions.len() > maxRegions {
			return ErrRegions
		}
	case tagFramebuffer:
		in.framebuffer(body)
	case tagEFI64:
		if len(body) >= 8 {
			in.EFI = number(body, 8)
		}
	case tagRSDPv1:
		if in.RSDP == nil && len(body) >= 20 { // version 2 is better
			in.RSDP = body[:20]
		}
	case tagRSDPv2:
		if len(body) >= 36 {
			in.RSDP = body[:36]
		}
	}
	return OK
}

// text returns the bytes before the first zero.
func text(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// moduleTag returns the tag of module i, header included. tag has checked its length.
func (in *Info) moduleTag(i int) []byte {
	for tags := in.tags; ; {
		kind, size := u32(tags), int(u32(tags[4:]))
		if kind == tagModule {
			if i == 0 {
				return tags[:size]
			}
			i--
		}
		tags = tags[min((size+7)&^7, len(tags)):]
	}
}
