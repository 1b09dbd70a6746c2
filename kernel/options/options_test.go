package options

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/kernel/setting"
)

func TestParse(t *testing.T) {
	with := func(f func(*Options)) Options { o := Default(); f(&o); return o }
	tests := map[string]struct {
		line     string
		want     Options
		problems []string
	}{
		"empty":   {line: "", want: Default()},
		"numbers": {line: "nosmp maxcpus=2 loglevel=4 tick=5 deadline-scale=3 callshare=7 stretch=100000 copies=4 rounds=9", want: Options{NoSMP: true, MaxCPUs: 2, LogLevel: 4, TickMS: 5, Scale: 3, Share: 7, Stretch: 100000, Copies: 4, Rounds: 9, Layout: "us", PS2: "auto", Status: "auto"}},
		"IRQs":    {line: "irq=balance irq=static", want: with(func(o *Options) { o.Static = true })},
		"IPIs":    {line: "ipi=logical ipi=physical", want: with(func(o *Options) { o.Physical = true })},
		"run": {line: `run="cpus -json; ps;; "`, want: with(func(o *Options) {
			o.HasRun, o.Run = true, []string{"cpus -json", "ps"}
		})},
		"start-up": {line: "smp=serial fault=ap2:silent", want: with(func(o *Options) {
			o.Serial, o.Faults.AP = true, map[int]inject.AP{2: {Silent: true}}
		})},
		"status":      {line: "status=off status=on", want: with(func(o *Options) { o.Status = "on" })},
		"keyboards":   {line: "keys=de ps2=off ps2=set2", want: with(func(o *Options) { o.Layout, o.PS2 = "de", "set2" })},
		"mitigations": {line: "mitigations=full", want: with(func(o *Options) { o.Full = true })},
		"empty run":   {line: "run=", want: with(func(o *Options) { o.HasRun = true })},
		"program": {line: "app=a.test arg=-test.run arg=%5EA%20b$ arg= env=K%3DV", want: with(func(o *Options) {
			o.App, o.Args, o.Env = "a.test", []string{"-test.run", "^A b$", ""}, []string{"K=V"}
		})},
		"runtime's variables": {line: "GODEBUG=gccheckmark=1 GOGC=50", want: Default()},
		"bad values": {line: "maxcpus=0 tick=abc loglevel=9 deadline-scale=-1 mitigations=off trace=x smp=x fault=x arg=%zz ipi=x irq=x callshare=0 stretch=9 keys=fr ps2=on status=no", want: Default(), problems: []string{
			fmt.Sprintf("maxcpus=0: not a number from 1 to %d, using the default", percpu.Max),
			"tick=abc: not a number from 1 to 1000, using the default",
			"loglevel=9: not a number from 0 to 8, using the default",
			"deadline-scale=-1: not a number from 1 to 1000, using the default",
			"mitigations=off: not auto or full, using the default",
			"trace=x: not trace=all, ignored",
			"smp=x: not serial or parallel, using the default",
			`fault=x: "x" is not apN (N from 1 on), ipi, page, demo, irq, tsc, hpet, pm, pit, cmos, cpuid15, timer or alloc, ignored`,
			`arg=%zz: invalid URL escape "%zz", ignored`,
			"ipi=x: not logical or physical, using the default",
			"irq=x: not balance or static, using the default",
			"callshare=0: not a number from 1 to 100, using the default",
			"stretch=9: not a number from 1000 to 1000000000000, using the default",
			"keys=fr: not one of us, de, using the default",
			"ps2=on: not auto, set2 or off, using the default",
			"status=no: not auto, on or off, using the default",
		}},
		"the last value is used, even if bad": {line: "tick=5 tick=+7", want: Default(), problems: []string{
			"tick=+7: not a number from 1 to 1000, using the default",
		}},
		"variables beyond the limits": {line: strings.Repeat("A=1 ", setting.Variables) + "B=2 LONG=" + strings.Repeat("x", 251) + " C=" + strings.Repeat("x", 253), want: Default(), problems: []string{
			"B: variable number 15, at most 14 are passed on",
			"LONG: 256 bytes with its name, at most 255 are passed on",
			"C: variable number 16, at most 14 are passed on",
		}},
		"unknown": {line: "nosnp color=red", want: Default(), problems: []string{
			`nosnp: unknown word, nearest is "nosmp", ignored`, "color=red: unknown word, ignored",
		}},
		"placement": {line: "placement=pack placement=near placement=pakc", want: Default(), problems: []string{
			"placement=pakc: not near or pack, using the default",
		}},
		"pages of zeros": {line: "zeropool=on zeropool=off zeropool=no", want: Default(), problems: []string{
			"zeropool=no: not on or off, using the default",
		}},
		"mistyped": {line: "nhz=off tcs=off timer deadlinescale=3 maxcpu", want: Default(), problems: []string{
			`nhz=off: unknown word, nearest is "nohz", ignored`, `tcs=off: unknown word, nearest is "tsc", ignored`, "timer: needs a value, as in timer=, ignored",
			`deadlinescale=3: unknown word, nearest is "deadline-scale", ignored`, `maxcpu: unknown word, nearest is "maxcpus", ignored`,
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o, problems := Parse(tc.line)
			require.Equal(t, tc.want, o)
			require.Equal(t, tc.problems, problems)
		})
	}
}

// Of the words that take a value, each is known and is in the list of the manual; nothing else is in that list.
func TestNames(t *testing.T) {
	for _, name := range names {
		_, problems := Parse(name + "=?")
		require.NotContains(t, strings.Join(problems, " "), "unknown word", name)
	}
	text, err := os.ReadFile("../../docs/01-boot.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(text), "| word | meaning | default |")
	table, _, _ = strings.Cut(table, "\n\n")
	var listed []string
	for _, m := range regexp.MustCompile("`([a-z0-9-]+)=").FindAllStringSubmatch(table, -1) {
		if !slices.Contains(listed, m[1]) {
			listed = append(listed, m[1])
		}
	}
	for _, name := range names {
		require.Contains(t, listed, name)
	}
}

// A port is an address and an interrupt.
func TestPorts(t *testing.T) {
	o, problems := Parse("stdio=0x3e8/3 control=744/7 stderr=control crlf=off")
	require.Empty(t, problems)
	require.Equal(t, Port{0x3e8, 3}, o.Stdio)
	require.Equal(t, Port{0x2e8, 7}, o.Control)
	require.True(t, o.OwnErrs)
	for _, word := range []string{"stdio=", "stdio=0x3e8", "stdio=0x3e8/16", "stdio=0x3e8/-1", "control=0/3", "stdio=0x10000/3", "stdio=com2/3", "stdio=0xffff/3"} {
		o, problems := Parse(word)
		require.Equal(t, []string{word + ": not an address below 0xfff8 and an interrupt below 16, such as 0x2f8/3, ignored"}, problems)
		require.Equal(t, Default(), o)
	}
	_, problems = Parse("stderr=x crlf=x")
	require.Equal(t, []string{"stderr=x: not console or control, using the default", "crlf=x: not on or off, using the default"}, problems)
}
