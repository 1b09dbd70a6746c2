package boot

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

var le = binary.LittleEndian

// memory is physical memory for tests: pieces at addresses.
type memory map[uint64][]byte

func (m memory) read(addr, n uint64) []byte {
	for start, b := range m {
		if size := uint64(len(b)); addr >= start && n <= size && addr-start <= size-n {
			return b[addr-start : addr-start+n : addr-start+n]
		}
	}
	return nil
}

// tag makes a multiboot2 tag, padded to 8 bytes.
func tag(kind uint32, body []byte) []byte {
	b := le.AppendUint32(nil, kind)
	b = le.AppendUint32(b, uint32(8+len(body)))
	b = append(b, body...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

func multiboot(tags ...[]byte) memory {
	var body []byte
	for _, t := range tags {
		body = append(body, t...)
	}
	body = append(body, tag(tagEnd, nil)...)
	b := le.AppendUint32(nil, uint32(8+len(body)))
	b = le.AppendUint32(b, 0)
	return memory{0x10000: append(b, body...)}
}

func words(v ...uint32) (b []byte) {
	for _, x := range v {
		b = le.AppendUint32(b, x)
	}
	return b
}

var ramTag = tag(tagMemoryMap, words(24, 0,
	0, 0, 0x9fc00, 0, 1, 0,
	0x100000, 0, 0x7ee0000, 0, 1, 0,
	0xfffc0000, 0, 0x40000, 0, 2, 0))

func TestMultiboot2(t *testing.T) {
	rsdp := make([]byte, 36)
	rsdp[35] = 7
	fb := append(words(0xfd000000, 0, 4096, 1024, 768), 32, 1, 0, 0, 16, 8, 8, 8, 0, 8)
	m := multiboot(
		tag(tagCommandLine, []byte("run=\"cpus; ps\"\x00")),
		tag(tagModule, append(words(0x800000, 0x900000), "first\x00"...)),
		tag(99, []byte{1, 2, 3}),
		ramTag,
		tag(tagModule, append(words(0xa00000, 0xa00010), 0)),
		tag(tagRSDPv2, rsdp),
		tag(tagRSDPv1, make([]byte, 20)),
		tag(tagFramebuffer, fb))
	var in Info
	require.Equal(t, OK, Parse(&in, multibootMagic, 0x10000, m.read))
	require.Equal(t, "multiboot2", in.Protocol.String())
	require.Equal(t, `run="cpus; ps"`, string(in.CommandLine))
	require.Equal(t, 3, in.Regions())
	require.Equal(t, abi.Region{Start: 0x100000, Length: 0x7ee0000, Type: abi.RegionRAM}, in.Region(1))
	require.Equal(t, uint32(abi.RegionReserved), in.Region(2).Type)
	require.Equal(t, 2, in.Modules())
	require.Equal(t, abi.Module{Start: 0x800000, End: 0x900000}, in.Module(0))
	require.Equal(t, abi.Module{Start: 0xa00000, End: 0xa00010}, in.Module(1))
	require.Equal(t, "first", string(in.ModuleText(0)))
	require.Empty(t, in.ModuleText(1))
	require.Equal(t, rsdp, in.RSDP, "the newer copy is used, in either order")
	require.Equal(t, abi.Framebuffer{Address: 0xfd000000, Pitch: 4096, Width: 1024, Height: 768, BitsPerPixel: 32, Kind: 1,
		RedPos: 16, RedSize: 8, GreenPos: 8, GreenSize: 8, BluePos: 0, BlueSize: 8}, in.Framebuffer)
	require.Equal(t, 1, in.UsedCount)
}

func pvh(commandLine string) memory {
	h := words(pvhMagic, 1, 0, 1, 0x2000, 0, 0x100000, 0, 0xf5000, 0, 0x4000, 0, 2, 0)
	return memory{
		0x1000:   h,
		0x2000:   words(0x7000000, 0, 0x1234, 0, 0, 0, 0, 0),
		0x100000: append([]byte(commandLine+"\x00"), make([]byte, 128<<10)...),
		0x4000:   words(0, 0, 0x9fc00, 0, 1, 0, 0x100000, 0, 0, 1, 1, 0),
	}
}

func TestPVH(t *testing.T) {
	long := ""
	for len(long) < 1000 {
		long += "word "
	}
	for _, line := range []string{"", "nosmp", long, strings.Repeat("x", MaxCommandLine)} {
		var in Info
		require.Equal(t, OK, Parse(&in, 0x2badb002, 0x1000, pvh(line).read))
		require.Equal(t, "PVH", in.Protocol.String())
		require.Equal(t, line, string(in.CommandLine))
		require.Equal(t, uint64(0xf5000), in.RSDPAddr)
		require.Equal(t, 1, in.Modules())
		require.Equal(t, abi.Module{Start: 0x7000000, End: 0x7001234}, in.Module(0))
		require.Empty(t, in.ModuleText(0))
		require.Equal(t, 2, in.Regions())
		require.Equal(t, abi.Region{Start: 0x100000, Length: 1 << 32, Type: 1}, in.Region(1))
		require.Equal(t, 4, in.UsedCount)
	}
}

func TestBadInformation(t *testing.T) {
	cut := multiboot(ramTag)
	cut[0x10000] = cut[0x10000][:40]
	short := multiboot(ramTag)
	le.PutUint32(short[0x10000][12:], 4) // tag shorter than its header
	long := multiboot(ramTag)
	le.PutUint32(long[0x10000][12:], 5000)
	entry := multiboot(tag(tagMemoryMap, words(8, 0, 1, 2)))
	noMap := pvh("")
	le.PutUint32(noMap[0x1000][pvhMapCount:], 0)
	many := pvh("")
	le.PutUint32(many[0x1000][pvhMapCount:], 1<<20)
	modules := pvh("")
	le.PutUint32(modules[0x1000][pvhModuleCount:], maxModules+1)
	far := pvh("")
	le.PutUint32(far[0x1000][pvhMemoryMap+4:], 1)
	old := pvh("")
	le.PutUint32(old[0x1000][pvhVersion:], 0)
	tests := map[string]struct {
		magic uint32
		addr  uint64
		mem   memory
		want  Code
	}{
		"neither":             {1, 0x1000, memory{0x1000: make([]byte, 64)}, ErrLoader},
		"nothing readable":    {1, 0x1000, memory{}, ErrLoader},
		"cut short":           {multibootMagic, 0x10000, cut, ErrReadable},
		"tag too short":       {multibootMagic, 0x10000, short, ErrSize},
		"tag too long":        {multibootMagic, 0x10000, long, ErrSize},
		"map entry too short": {multibootMagic, 0x10000, entry, ErrSize},
		"no map":              {multibootMagic, 0x10000, multiboot(), ErrMemoryMap},
		"PVH without map":     {0, 0x1000, noMap, ErrMemoryMap},
		"PVH map too long":    {0, 0x1000, many, ErrRegions},
		"PVH modules":         {0, 0x1000, modules, ErrModules},
		"PVH command line":    {0, 0x1000, pvh(strings.Repeat("x", MaxCommandLine+1)), ErrCommandLine},
		"command line":        {multibootMagic, 0x10000, multiboot(ramTag, tag(tagCommandLine, []byte(strings.Repeat("x", MaxCommandLine+1)))), ErrCommandLine},
		"modules":             {multibootMagic, 0x10000, multiboot(slices.Repeat([][]byte{tag(tagModule, words(1, 2))}, maxModules+1)...), ErrModules},
		"map too long":        {multibootMagic, 0x10000, multiboot(tag(tagMemoryMap, append(words(24, 0), make([]byte, 24*(maxRegions+1))...))), ErrRegions},
		"PVH map unreadable":  {0, 0x1000, far, ErrReadable},
		"PVH version 0":       {0, 0x1000, old, ErrMemoryMap},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var in Info
			require.Equal(t, tc.want, Parse(&in, tc.magic, tc.addr, tc.mem.read))
		})
	}
	for limit, in := range map[int]Code{MaxCommandLine: ErrCommandLine, maxModules: ErrModules, maxRegions: ErrRegions} {
		require.Contains(t, in.Error(), fmt.Sprint(limit), "the text says the limit")
	}
	require.EqualError(t, ErrMemoryMap, "boot: the loader provided no memory map")
}

// Parsing ends for any bytes, and its results can be read.
func FuzzParse(f *testing.F) {
	f.Add(uint32(multibootMagic), multiboot(ramTag, tag(tagModule, words(1, 2)))[0x10000])
	f.Add(uint32(0), pvh("x")[0x1000])
	f.Add(uint32(multibootMagic), multiboot(ramTag, framebufferTag(abi.Framebuffer{Address: 0xb8000, Pitch: 160, Width: 80, Height: 25, Kind: framebufferText}))[0x10000])
	f.Fuzz(func(t *testing.T, magic uint32, data []byte) {
		m := memory{0x1000: data}
		var in Info
		if Parse(&in, magic, 0x1000, m.read) != OK {
			return
		}
		for i := range in.Regions() {
			in.Region(i)
		}
		for i := range in.Modules() {
			in.Module(i)
		}
		in.Entropy(m.read, func([]byte) {})
	})
}
