package inject

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAdd(t *testing.T) {
	var f Faults
	for _, v := range []string{"ap2:silent", "ap3:late=1500", "ap1:stage6", "ap4:tsc=-50", "ap3:stage14", "ipi:drop=1/3", "ipi:dup=1/50", "ipi:delay=200", "page:spoil=2", "demo:sort", "irq:storm", "hpet:still", "pm:still", "pit:dead", "cmos:still", "cpuid15:wrong", "timer:dead", "timer:late=5", "tsc:drift", "alloc:every=7", "alloc:after=400"} {
		require.NoError(t, f.Add(v), v)
	}
	require.Equal(t, Faults{
		AP:   map[int]AP{1: {Stage: 6}, 2: {Silent: true}, 3: {Late: 1500 * time.Millisecond, Stage: 14}, 4: {TSC: -50 * time.Millisecond}},
		IPI:  IPI{Drop: 3, Dup: 50, Delay: 200 * time.Microsecond},
		Page: Page{Spoil: 2},
		Demo: DemoSort,

		Storm: true,
	}, f)
}

func TestAddErrors(t *testing.T) {
	for v, want := range map[string]string{
		"tsc:0":           `"0": the time-stamp counter of CPU N can be 5 ms ahead, N from 1 on, or that of all drift`,
		"":                `"" is not apN (N from 1 on), ipi, page, demo, irq, tsc, hpet, pm, pit, cmos, cpuid15, timer or alloc`,
		"ap0:silent":      `"ap0" is not apN (N from 1 on), ipi, page, demo, irq, tsc, hpet, pm, pit, cmos, cpuid15, timer or alloc`,
		"cpu2:silent":     `"cpu2" is not apN (N from 1 on), ipi, page, demo, irq, tsc, hpet, pm, pit, cmos, cpuid15, timer or alloc`,
		"ap2":             `"": a CPU can be silent, late=MS, tsc=MS or stageK`,
		"ap2:dead":        `"dead": a CPU can be silent, late=MS, tsc=MS or stageK`,
		"ap2:late=soon":   "late=soon: not milliseconds",
		"ap2:tsc=":        "tsc=: not milliseconds",
		"ap2:stage0":      "stage0: stages are 1 to 14",
		"ap2:stage15":     "stage15: stages are 1 to 14",
		"ipi:drop=3":      "drop=3: not 1/K, K from 2 on",
		"ipi:drop=1/1":    "drop=1/1: not 1/K, K from 2 on",
		"ipi:delay=99999": "delay=99999: not microseconds up to 10000",
		"page:spoil":      `"spoil": a page can be overwritten (spoil=N), N from 1 to 255`,
		"page:spoil=0":    `"spoil=0": a page can be overwritten (spoil=N), N from 1 to 255`,
		"page:gone":       `"gone": a page can be overwritten (spoil=N), N from 1 to 255`,
		"hpet:dead":       `"dead": what can be wrong with hpet: still`,
		"alloc:every=1":   `"every=1": one in N allocations of a program can fail (every=N), N from 2 to 1000000000, after its first K (after=K)`,
		"alloc:none":      `"none": one in N allocations of a program can fail (every=N), N from 2 to 1000000000, after its first K (after=K)`,
		"irq:calm":        `"calm": what a line can do is storm`,
		"demo:dance":      `"dance": what can fail of the demonstration is one of [sort gc pingpong hang]`,
		"ipi:eat=1/2":     `"eat": IPIs can be lost (drop), doubled (dup) or late (delay)`,
	} {
		var f Faults
		require.EqualError(t, f.Add(v), want)
		require.Equal(t, Faults{}, f)
	}
}
