package acpi

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCorpusMalformed(t *testing.T) {
	dir := corpus(t, "malformed")
	list, err := filepath.Glob(filepath.Join(dir, "malformed", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, list)
	for _, file := range list {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			want := load(t, file)
			if m, ok := want["memory"]; ok {
				checkRoot(t, filepath.Dir(filepath.Dir(file)), m.(object), want)
				return
			}
			data, err := os.ReadFile(filepath.Join(filepath.Dir(file), want["file"].(string)))
			require.NoError(t, err)
			n, err := decode(want["signature"].(string), data)
			switch want["expect"] {
			case "reject":
				require.Error(t, err)
				require.Less(t, n, 0, "an error and no data")
				var te *TableError
				require.ErrorAs(t, err, &te, "the error says where")
			case "accept_prefix":
				require.GreaterOrEqual(t, n, 0, "%v", err)
				if want["entries"] != nil {
					require.Equal(t, number(t, want["entries"]), uint64(n))
				}
			default:
				require.Fail(t, "unknown expectation")
			}
		})
	}
}

// decode parses a table by its signature and returns the number of its entries, -1
// if nothing can be used.
func decode(sig string, data []byte) (int, error) {
	tab, err := NewTable(data, 0)
	if err != nil {
		return -1, err
	}
	switch sig {
	case "APIC":
		m, err := ParseMADT(tab)
		if m == nil {
			return -1, err
		}
		NewTopology(Sources{MADT: m}) // must accept anything that was decoded
		return len(m.CPUs) + len(m.IOAPICs) + len(m.Overrides) + len(m.NMIs) + len(m.LocalNMIs) + m.Unknown, err
	case "SRAT":
		s, err := ParseSRAT(tab)
		if s == nil {
			return -1, err
		}
		NewTopology(Sources{MADT: &MADT{}, SRAT: s})
		return len(s.CPUs) + len(s.Memory) + s.Unknown, err
	case "SLIT":
		if _, err := ParseSLIT(tab); err != nil {
			return -1, err
		}
	case "HPET":
		if _, err := ParseHPET(tab); err != nil {
			return -1, err
		}
	case "FACP":
		f, err := ParseFADT(tab)
		if err != nil {
			return -1, err
		}
		if reg, _ := f.Reset(); reg != nil || f.XDSDT != nil || f.SleepCtl != nil {
			return 1, nil
		}
	case "MCFG":
		m, err := ParseMCFG(tab)
		if m == nil {
			return -1, err
		}
		return len(m.Segments), err
	case "RSDT", "XSDT":
		if tab.Sig() != sig {
			return -1, &TableError{sig, 0, ErrSignature}
		}
	}
	return 0, nil
}

// checkRoot follows a root pointer through the only memory that can be read.
func checkRoot(t *testing.T, dir string, m, want object) {
	t.Helper()
	address := func(v any) uint64 {
		n, err := strconv.ParseUint(v.(string), 0, 64)
		require.NoError(t, err)
		return n
	}
	mem := memory{}
	for _, v := range m["regions"].([]any) {
		r := v.(object)
		var data []byte
		var err error
		if text, ok := r["hex"]; ok {
			data, err = hex.DecodeString(text.(string))
		} else {
			data, err = os.ReadFile(filepath.Join(dir, r["file"].(string)))
		}
		require.NoError(t, err)
		mem[address(r["address"])] = data
	}
	var got []string
	root, err := FindRSDP(mem.read, address(m["rsdp"]), nil)
	if err == nil {
		var tabs Tables
		tabs, _, err = Load(mem.read, root)
		for _, tab := range tabs.List {
			got = append(got, tab.Sig())
		}
	}
	if want["expect"] == "reject" {
		require.Error(t, err)
		require.Empty(t, got)
		return
	}
	require.NoError(t, err)
	var tables []string
	for _, s := range want["tables"].([]any) {
		tables = append(tables, s.(string))
	}
	require.Equal(t, tables, got)
}
