package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindS5(t *testing.T) {
	tests := map[string]struct {
		aml  []byte
		want Sleep
		err  string
	}{
		"QEMU: zeros":             {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}},
		"bytes":                   {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 0x0a, 4, 0x0a, 7, 0x0a, 6, 0, 0}, want: Sleep{7, 6}},
		"root prefix":             {aml: []byte{0x08, '\\', '_', 'S', '5', '_', 0x12, 6, 2, 0x0a, 5, 1}, want: Sleep{5, 1}},
		"long package length":     {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 0x46, 0, 2, 0x0b, 3, 0, 0x0c, 2, 0, 0, 0}, want: Sleep{3, 2}},
		"one element":             {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 3, 1, 1}, want: Sleep{1, 0}},
		"looks alike before it":   {aml: []byte{'x', '_', 'S', '5', '_', 0x12, 6, 4, 1, 1, 0, 0, 0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0, 0, 0}, want: Sleep{5, 0}},
		"a method, not a package": {aml: []byte{0x08, '_', 'S', '5', '_', 0x14, 6, 4}, err: "acpi: DSDT+0x2c: not found"},
		"no elements":             {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 2, 0}, err: "acpi: DSDT+0x2c: not found"},
		"cut in the length":       {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 0xc6}, err: "acpi: DSDT+0x2b: not found"},
		"cut in an integer":       {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0x0c, 1}, err: "acpi: DSDT+0x2e: not found"},
		"an element is a name":    {aml: []byte{0x08, '_', 'S', '5', '_', 0x12, 6, 1, 'A', 'B', 'C', 'D'}, err: "acpi: DSDT+0x30: not found"},
		"nothing":                 {err: "acpi: DSDT+0x24: not found"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tab, err := NewTable(table("DSDT", tc.aml...), 0)
			require.NoError(t, err)
			got, err := FindS5(tab)
			require.Equal(t, tc.err, errText(err))
			require.Equal(t, tc.want, got)
		})
	}
}
