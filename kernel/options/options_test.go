package options

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/inject"
	"muster/kernel/percpu"
)

func TestParse(t *testing.T) {
	with := func(f func(*Options)) Options { o := Default(); f(&o); return o }
	tests := map[string]struct {
		line     string
		want     Options
		problems []string
	}{
		"empty":   {line: "", want: Default()},
		"numbers": {line: "nosmp maxcpus=2 loglevel=4 tick=5 deadline-scale=3 callshare=7", want: Options{NoSMP: true, MaxCPUs: 2, LogLevel: 4, TickMS: 5, Scale: 3, Share: 7}},
		"IPIs":    {line: "ipi=logical ipi=physical", want: with(func(o *Options) { o.Physical = true })},
		"run": {line: `run="cpus -json; ps;; "`, want: with(func(o *Options) {
			o.HasRun, o.Run = true, []string{"cpus -json", "ps"}
		})},
		"start-up": {line: "smp=serial fault=ap2:silent", want: with(func(o *Options) {
			o.Serial, o.Faults.AP = true, map[int]inject.AP{2: {Silent: true}}
		})},
		"mitigations": {line: "mitigations=full", want: with(func(o *Options) { o.Full = true })},
		"empty run":   {line: "run=", want: with(func(o *Options) { o.HasRun = true })},
		"program": {line: "app=a.test arg=-test.run arg=%5EA%20b$ arg= env=K%3DV", want: with(func(o *Options) {
			o.App, o.Args, o.Env = "a.test", []string{"-test.run", "^A b$", ""}, []string{"K=V"}
		})},
		"runtime's variables": {line: "GODEBUG=gccheckmark=1 GOGC=50", want: Default()},
		"bad values": {line: "maxcpus=0 tick=abc loglevel=9 deadline-scale=-1 mitigations=off trace=x smp=x fault=x arg=%zz ipi=x callshare=0", want: Default(), problems: []string{
			fmt.Sprintf("maxcpus=0: not a number from 1 to %d, using the default", percpu.Max),
			"tick=abc: not a number from 1 to 1000, using the default",
			"loglevel=9: not a number from 0 to 8, using the default",
			"deadline-scale=-1: not a number from 1 to 1000, using the default",
			"mitigations=off: not auto or full, using the default",
			"trace=x: not trace=all, ignored",
			"smp=x: not serial or parallel, using the default",
			`fault=x: "x" is not apN (N from 1 on), ipi or page, ignored`,
			`arg=%zz: invalid URL escape "%zz", ignored`,
			"ipi=x: not logical or physical, using the default",
			"callshare=0: not a number from 1 to 100, using the default",
		}},
		"the last value is used, even if bad": {line: "tick=5 tick=+7", want: Default(), problems: []string{
			"tick=+7: not a number from 1 to 1000, using the default",
		}},
		"unknown": {line: "nosnp color=red", want: Default(), problems: []string{
			"nosnp: unknown word, ignored", "color=red: unknown word, ignored",
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
