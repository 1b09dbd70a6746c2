package boot

import "muster/kernel/abi"

// Tags of the boot information (Multiboot2 Specification 2.0, "Boot information format").
const (
	tagEnd         = 0
	tagCommandLine = 1
	tagModule      = 3
	tagMemoryMap   = 6
	tagFramebuffer = 8
	tagRSDPv1      = 14
	tagRSDPv2      = 15

	tagHeader      = 8
	maxInformation = 16 << 20 // far more than any loader's
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
	return OK
}

// tag reads one tag, header included.
func (in *Info) tag(kind uint32, t []byte) Code {
	body := t[tagHeader:]
	switch kind {
	case tagCommandLine:
		in.CommandLine = text(body)
	case tagModule:
		if len(body) < 8 {
			return ErrSize
		}
		in.moduleTags++
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
	case tagFramebuffer:
		in.framebuffer(body)
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

// framebuffer reads the tag's body. A body that is cut short is ignored.
func (in *Info) framebuffer(b []byte) {
	if len(b) < 22 {
		return
	}
	f := abi.Framebuffer{Address: number(b, 8), Pitch: u32(b[8:]), Width: u32(b[12:]), Height: u32(b[16:]), BitsPerPixel: b[20], Kind: b[21]}
	if f.Kind == 1 && len(b) >= 30 {
		f.RedPos, f.RedSize = b[24], b[25]
		f.GreenPos, f.GreenSize = b[26], b[27]
		f.BluePos, f.BlueSize = b[28], b[29]
	}
	in.Framebuffer = f
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

// moduleTag returns the range of module i.
func (in *Info) moduleTag(i int) (start, end uint64) {
	for tags := in.tags; len(tags) >= tagHeader; {
		kind, size := u32(tags), int(u32(tags[4:]))
		if kind == tagModule {
			if i == 0 {
				return number(tags[8:], 4), number(tags[12:], 4)
			}
			i--
		}
		tags = tags[min((size+7)&^7, len(tags)):]
	}
	return 0, 0
}
