//go:build qemu

package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
	"muster/test/picture"
)

// The report in its three forms; the codes have the text.
func TestReport(t *testing.T) {
	r := boot(t, "--cpus", "2", "--qemu", "-vga std", "--run", "report; report -json; report -qr").ok()
	text := r.output("report")
	for _, want := range []string{"Muster 0.1, go1.", ", by PVH, up ", "cpu: QEMU ", "hypervisor: TCG", "cpus: 2 of 2 online, packages ", "start: first ", "mitigations: ",
		"clock: ", " kHz by ", "x2APIC true", "memory: 2", "free at boot:\n 0x", "acpi:\n RSDT ", " FACP ", " APIC ", "pci:\n 00:00.0 8086:29c0 060000 host bridge", "1234:1111 030000", "warnings:"} {
		require.Contains(t, text, want)
	}
	doc := decode[shell.Report](r, "report -json")
	require.Equal(t, 2, doc.Online)
	require.NotNil(t, doc.Start)
	require.Positive(t, doc.Start.Last)
	require.NotZero(t, doc.TSCHz)
	require.NotEmpty(t, doc.Tables)
	require.NotEmpty(t, doc.PCI)
	require.NotEmpty(t, doc.Free)

	got := ""
	for block := range strings.SplitSeq(strings.TrimRight(r.output("report -qr"), "\n"), "\n\n") {
		code := readCode(drawn(block))
		require.Contains(t, code, "\n", "no code in\n%s", block)
		_, part, _ := strings.Cut(code, "\n")
		got += part
	}
	rest := func(text string) string { // without the first line, which has the uptime
		_, rest, _ := strings.Cut(text, "\n")
		return strings.TrimRight(rest, "\n")
	}
	require.Equal(t, rest(text), rest(got))
}

// drawn returns the picture of half blocks on a dark ground.
func drawn(block string) picture.Picture {
	const module = 16
	var rows [][]rune
	for line := range strings.Lines(block) {
		rows = append(rows, []rune(strings.TrimRight(line, "\n")))
	}
	size := len(rows[0])
	return picture.Picture{Width: size * module, Height: size * module, At: func(x, y int) uint32 {
		x, y = x/module, y/module
		if r := rows[y/2]; x < len(r) && (r[x] == '█' || r[x] == '▀' && y%2 == 0 || r[x] == '▄' && y%2 == 1) {
			return white
		}
		return 0
	}}
}
