package shell

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	tables "muster/kernel/acpi"
)

// secretive is a machine whose tables, log and devices have what a report must not have.
type secretive struct {
	fake
	t *testing.T
}

const secret = "SN-4711-0815"

func (s *secretive) Firmware() Firmware {
	table := func(sig, content string) tables.Table {
		b := make([]byte, tables.HeaderLength+len(content))
		copy(b, sig)
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		copy(b[10:], "VENDORMODEL-1 ")
		copy(b[tables.HeaderLength:], content)
		sum := byte(0)
		for _, x := range b {
			sum += x
		}
		b[9] = -sum
		t, err := tables.ReadTable(func(addr uint64, n int) ([]byte, error) {
			if n > len(b) {
				return nil, errors.New("too short")
			}
			return b[:n], nil
		}, 0x1000)
		require.NoError(s.t, err)
		return t
	}
	f := s.fake.Firmware()
	f.Tables = &tables.Tables{Main: table("RSDT", ""), List: []tables.Table{table("MSDM", secret), table("SLIC", secret)}}
	f.Err = nil
	return f
}

func (s *secretive) Log() []LogLine {
	return []LogLine{{Level: 6, Text: "usb: product " + secret}, {Level: 4, Text: "options: unknown word password=" + secret},
		{Level: 3, Text: "app: " + secret + " not started"},
		{Level: 4, Text: "process 7 (" + secret + "), thread 9: killed, ip 0x401000, ended"}, {Level: 4, Text: "process 7 (" + secret + "): out of memory, ended"},
		{Level: 4, Text: "xhci: a\x1bport is dead"}, {Level: 3, Text: "acpi: checksum"}}
}

func reported(t *testing.T, line string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, New(&secretive{t: t}, &out).Run(context.Background(), line))
	return out.String()
}

func TestReport(t *testing.T) {
	text := reported(t, "report")
	for _, want := range []string{"Muster 0.1, go1, by PVH, up 2s\n", "cpu: Fast CPU;", "cpus: 1 of 2 online, packages 2, nodes 2\n", "mitigations: SMEP\nnot IBT: old\nslower without XSAVE: no AVX\n",
		"clock: 2000000 kHz by PIT;", "memory: 1 MiB; free at boot:\n 0x100000-0x200000\n", " MSDM 48 r0 VENDOR MODEL-1\n",
		" 00:01.0 8086:000d 0c0330 xHCI MSI-X\n", "warnings:\n xhci: a\ufffdport is dead\n acpi: checksum\n", "start: first 0.0 ms, last 0.0 ms: cpu 1, 0.0 ms up to RealMode16\n"} {
		require.Contains(t, text, want)
	}
	var r Report
	require.NoError(t, json.Unmarshal([]byte(reported(t, "report -json")), &r))
	require.Equal(t, "MSDM", r.Tables[1].Signature)
	require.Equal(t, 12.34, r.Start.Last)
	require.Len(t, r.Warnings, 2)
	codes := reported(t, "report -qr")
	require.Contains(t, codes, "█████")
	one := reported(t, "report -qr 1")
	require.Equal(t, codes[:strings.Index(codes, "\n\n")+2], one)
	require.Regexp(t, `(?m)^code 1 of \d+$`, one)
	for _, bad := range []string{"report -qr 0", "report -qr x", "report -qr 99", "report 1", "report -json -qr"} {
		require.Error(t, New(&secretive{t: t}, &bytes.Buffer{}).Run(context.Background(), bad), bad)
	}
}

// Nothing that tells one machine, or its user, from another of the same kind. SMBIOS, which
// has serial numbers, is not read at all.
func TestReportHasNoSecrets(t *testing.T) {
	for _, line := range []string{"report", "report -json"} {
		out := reported(t, line)
		require.NotContains(t, out, secret, line)
		require.NotContains(t, out, "password")
	}
	require.Contains(t, reported(t, "acpi MSDM"), strings.ToUpper("53 4E 2D 34 37 31 31"), "control: the contents of the table are there")
	names := fieldNames(reflect.TypeFor[Report](), nil)
	require.Greater(t, len(names), 40)
	for _, name := range names {
		require.NotRegexp(t, personal, name)
	}
	require.Regexp(t, personal, "serial_number") // control
	require.Regexp(t, personal, "command_line")
}

var personal = regexp.MustCompile(`(?i)serial|uuid|guid|asset|mac(_|$)|mail|owner|user|key|command|argument|environment|sku`)

// fieldNames returns the names of all fields of a document, at any depth.
func fieldNames(t reflect.Type, names []string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fieldNames(t.Elem(), names)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if tag := f.Tag.Get("json"); tag != "" {
				names = append(names, tag)
			}
			names = fieldNames(f.Type, append(names, f.Name))
		}
	}
	return names
}
