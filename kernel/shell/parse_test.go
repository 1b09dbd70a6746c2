package shell

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	tables "muster/kernel/acpi"
)

// runOn runs a line on a machine.
func runOn(sys System, line string) (string, error) {
	var out bytes.Buffer
	err := New(sys, &out).Run(context.Background(), line)
	return out.String(), err
}

// Every command of the table explains itself, in each form of the request, and does
// nothing else.
func TestEveryCommandHasHelp(t *testing.T) {
	s := New(&fake{}, io.Discard)
	require.NotEmpty(t, s.commands)
	for _, c := range s.commands {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{}
			want, err := runOn(f, "help "+c.name)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(want, wrap("usage: "+c.synopsis(), 0)+"\n"+wrap(c.about, 0)+"\n"), want)
			for _, o := range c.allOptions() {
				require.Contains(t, want, "  "+o.name)
				require.NotEmpty(t, o.about)
			}
			lines := []string{c.name + " -h", c.name + " --help", c.name + " -help", "help " + strings.ToUpper(c.name)}
			if !c.verbatim {
				lines = append(lines, c.name+" x y z -nosuch -h")
			}
			for _, line := range lines {
				got, err := runOn(f, line)
				require.NoError(t, err, line)
				require.Equal(t, want, got, line)
			}
			got, err := runOn(f, c.name+" -h -json")
			require.NoError(t, err)
			var h CommandHelp
			require.NoError(t, json.Unmarshal([]byte(got), &h), got)
			require.Equal(t, s.commandHelp(&c), h)
			require.Empty(t, f.ended, "the machine runs on")
		})
	}
}

// Every command that takes -json reports every error in it: one document on one
// line.
func TestErrorsAreJSON(t *testing.T) {
	lines := map[string]string{ // to the error, or its beginning
		"nosuch -json":           "nosuch: unknown command; help lists all",
		"upttime --json":         `upttime: unknown command, nearest is "uptime"; help lists all`,
		"poweroff -json":         "poweroff: unknown option -json; usage: poweroff",
		"acpi -json":             "acpi: RSDP+0x0: not found",
		"audit -json":            "audit: this is not a debug build",
		"smp start 9 -json":      "smp: no such CPU",
		"cpus -tree -json":       "cpus: unknown option -tree; usage: cpus",
		"test basics 3 -json":    "test: test basics runs to its end",
		"test stress 0 -json":    `test: "0" is not a number of seconds`,
		"cpus -features=x -json": "cpus: option -features takes no value",
	}
	for _, c := range New(&fake{}, io.Discard).commands {
		if c.json {
			lines[c.name+" -json -nosuch"] = c.name + ": unknown option -nosuch; usage: " + c.synopsis()
			lines[c.name+" zzzzzz zzzzzz zzzzzz -json"] = c.name + ": "
		}
	}
	for line, want := range lines {
		t.Run(line, func(t *testing.T) {
			out, err := runOn(&fake{}, line)
			require.Error(t, err)
			require.Equal(t, 1, strings.Count(out, "\n"), out)
			var f Failure
			d := json.NewDecoder(strings.NewReader(out))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(&f), out)
			require.True(t, strings.HasPrefix(f.Error, want), f.Error)
		})
	}
}

// The output of a command before its error is in the same document.
func TestPartialJSON(t *testing.T) {
	out, err := runOn(firmware(t), "acpi apic -json")
	require.Error(t, err)
	require.Equal(t, 1, strings.Count(out, "\n"), out)
	var f Failure
	require.NoError(t, json.Unmarshal([]byte(out), &f))
	require.Contains(t, f.Error, "APIC")
	var found []tables.MADT
	require.NoError(t, json.Unmarshal(f.Output, &found))
	require.Len(t, found, 1)
	require.Equal(t, uint64(0xfee00000), found[0].LocalAPIC)
}

// withTables is a machine with given tables.
type withTables struct {
	fake
	tables tables.Tables
}

func (w *withTables) Firmware() Firmware { return Firmware{Tables: &w.tables} }

// firmware has an RSDT, an MADT that ends too early, a table without a decoder, and
// one with a wrong checksum.
func firmware(t *testing.T) *withTables {
	t.Helper()
	table := func(sig string, body ...byte) tables.Table {
		b := append(make([]byte, tables.HeaderLength), body...)
		copy(b, sig)
		copy(b[10:], "MUSTER")
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		var sum byte
		for _, x := range b {
			sum += x
		}
		b[9] = -sum
		x, err := tables.NewTable(b, 0x1000)
		require.NoError(t, err)
		return x
	}
	w := &withTables{}
	w.tables = tables.Tables{From: "RSDT", Main: table("RSDT"),
		List: []tables.Table{table("APIC", 0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0, 99), table("WAET", 1, 2, 3), table("FACP")},
		Bad:  []tables.Bad{{Addr: 0x2000, Header: append([]byte("BGRT"), make([]byte, 32)...), Err: tables.ErrChecksum}}}
	return w
}

// The list says where the root pointer is: multiboot2 passes a copy without an address.
func TestRootPointerAddress(t *testing.T) {
	w := firmware(t)
	for addr, want := range map[uint64]string{0: "RSDP copied by the loader, revision 0", 0xf52a0: "RSDP at 0xf52a0, revision 0"} {
		w.tables.Root.Addr = addr
		out, err := runOn(w, "acpi")
		require.NoError(t, err)
		require.Contains(t, out, want)
	}
}

// Every name in the list of tables, in any case, gets an answer about that table.
func TestListedTablesAreKnown(t *testing.T) {
	w := firmware(t)
	out, err := runOn(w, "acpi -json")
	require.NoError(t, err)
	var listed ACPI
	require.NoError(t, json.Unmarshal([]byte(out), &listed))
	require.Len(t, listed.Tables, 5)
	for _, row := range listed.Tables {
		upper, _ := runOn(w, "acpi "+row.Signature)
		require.NotContains(t, upper, "no table", row.Signature)
		lower, _ := runOn(w, "acpi "+strings.ToLower(row.Signature))
		require.Equal(t, upper, lower)
	}
	madt, _ := runOn(w, "acpi madt")
	apic, _ := runOn(w, "acpi APIC")
	require.Equal(t, madt, apic)
	require.Contains(t, apic, "0xfee00000")
	out, err = runOn(w, "acpi waet")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, "WAET @ 0x0000000000001000\n"), out)
	out, err = runOn(w, "acpi bgrt")
	require.Error(t, err)
	require.Contains(t, out, "acpi: the BGRT at 0x2000 cannot be used: ")
	out, _ = runOn(w, "acpi srat")
	require.Equal(t, "acpi: this machine has no SRAT\n", out)
	out, _ = runOn(w, "acpi apci")
	require.Contains(t, out, `acpi: no table "apci", nearest is "APIC"; the names are `)
}

// An option's value is the next word, or follows an equals sign.
func TestOptionValues(t *testing.T) {
	c := command{name: "c", usage: "[X]", options: []option{{name: "-n", value: "N"}, {name: "-v"}}}
	for line, want := range map[string]args{
		"-n 1 x":    {list: []string{"x"}, options: map[string]string{"-n": "1"}},
		"x --n=2":   {list: []string{"x"}, options: map[string]string{"-n": "2"}},
		"-v -n -v":  {options: map[string]string{"-v": "", "-n": "-v"}},
		"- -n= -v ": {list: []string{"-"}, options: map[string]string{"-v": "", "-n": ""}},
	} {
		got, err := c.parse(strings.Fields(line))
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
	_, err := c.parse([]string{"-n"})
	require.EqualError(t, err, "option -n needs a value, N; usage: c [-n N] [-v] [X]")
	_, err = c.parse([]string{"-v=1"})
	require.EqualError(t, err, "option -v takes no value; usage: c [-n N] [-v] [X]")
}
