package boot

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// mixed returns what Entropy mixes in after the loader's information.
func mixed(in *Info, m memory) (list []string) {
	in.Entropy(m.read, func(b []byte) { list = append(list, string(b)) })
	return list[1:]
}

// efi makes a system table at 0x60000 whose second configuration table is Linux's random seed.
func efi(m memory) *Info {
	system := make([]byte, efiSize)
	copy(system, "IBI SYST")
	le.PutUint64(system[efiTableCount:], 2)
	le.PutUint64(system[efiTables:], 0x61000)
	m[0x60000] = system
	m[0x61000] = append(make([]byte, 24), // another table, and the seed's, as the GUID's bytes lie in memory
		0xbc, 0xe5, 0xe1, 0x1c, 0xeb, 0x7c, 0xf2, 0x42, 0x81, 0xe5, 0x8a, 0xad, 0xf1, 0x80, 0xf5, 0x7b, 0, 0x20, 6, 0, 0, 0, 0, 0)
	m[0x62000] = append(le.AppendUint32(nil, 32), "thirty-two bytes of random, and more"...)
	return &Info{EFI: 0x60000}
}

func TestEFISeed(t *testing.T) {
	m := memory{}
	in := efi(m)
	require.Equal(t, []string{"thirty-two bytes of random, and "}, mixed(in, m))
	require.Empty(t, mixed(&Info{}, m), "no EFI")
	require.Empty(t, mixed(&Info{EFI: 0x70000}, m), "memory that cannot be read")
	for name, spoil := range map[string]func(){
		"signature":   func() { m[0x60000][0]++ },
		"no tables":   func() { m[0x60000][efiTableCount]-- },
		"list":        func() { le.PutUint64(m[0x60000][efiTables:], 1<<40) },
		"GUID":        func() { m[0x61000][24+15]++ },
		"address":     func() { le.PutUint64(m[0x61000][24+16:], 1<<40) },
		"no end":      func() { le.PutUint64(m[0x60000][efiTableCount:], 1<<60); m[0x61000][24]++ },
		"wraps round": func() { le.PutUint64(m[0x60000][efiTables:], ^uint64(0)-8) },
	} {
		t.Run(name, func(t *testing.T) {
			m = memory{}
			in := efi(m)
			spoil()
			require.Empty(t, mixed(in, m))
		})
	}
	m = memory{}
	in = efi(m)
	le.PutUint32(m[0x62000], maxSeed+1)
	require.Equal(t, []string{""}, mixed(in, m), "a length beyond what can be read")
}

// QEMU's device vmgenid: its table names the page in which the ID is.
func TestGeneration(t *testing.T) {
	body := append([]byte("\x10\x20\x5c"+generationName), le.AppendUint32(nil, 0x90000)...)
	ssdt := acpiTable("SSDT", body)
	copy(ssdt[tableOEM:], "VMGENID")
	m := memory{
		0xf0010: rootPointer(0x10000, 0),
		0x10000: acpiTable("RSDT", words(0x20000, 0x21000)),
		0x20000: acpiTable("SSDT", body), // another one's
		0x21000: signed(ssdt, 9),
		0x90000: []byte("a page whose first 40 bytes are not used" + "sixteen bytes ID" + "and more"),
	}
	require.Equal(t, []string{"sixteen bytes ID"}, mixed(&Info{}, m))
	m[0x21000] = m[0x21000][:len(ssdt)-1]
	le.PutUint32(m[0x21000][tableLength:], uint32(len(ssdt)-1))
	signed(m[0x21000], 9)
	require.Empty(t, mixed(&Info{}, m), "the name at the end, and no address")
}

// The loader's information is mixed in, up to a limit.
func TestEntropyOfTags(t *testing.T) {
	for n, want := range map[int]int{0: 0, 100: 100, maxMixed + 8: maxMixed} {
		var got []byte
		(&Info{tags: make([]byte, n)}).Entropy(memory{}.read, func(b []byte) { got = b })
		require.Len(t, got, want)
	}
}
