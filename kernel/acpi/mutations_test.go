package acpi

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var mutations = flag.Int("mutations", 20_000, "how many broken inputs each parser gets")

// Broken tables by the million: the inputs of the fuzz targets, without the
// fuzzer's cost for each. No input may cause a panic, or take a second.
func TestMutations(t *testing.T) {
	type target struct {
		seeds [][]byte
		run   func(b []byte, revision uint8)
	}
	targets := map[string]target{
		"RSDP": {rsdpSeeds(), func(b []byte, _ uint8) { runRSDP(b) }},
		"walk": {walkSeeds(), func(b []byte, _ uint8) { runWalk(b) }},
		"MP":   {mpSeeds(), func(b []byte, _ uint8) { runMP(b) }},
	}
	for sig := range parsers {
		targets[sig] = target{seeds(sig), func(b []byte, revision uint8) { runTable(sig, b, revision) }}
	}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		t.Run(name, func(t *testing.T) {
			x := targets[name]
			seed := uint64(time.Now().UnixNano())
			r := rand.New(rand.NewPCG(seed, 1))
			var b []byte
			defer func() {
				if e := recover(); e != nil {
					t.Fatalf("seed %d: %v\ninput %x", seed, e, b)
				}
			}()
			longest := time.Duration(0)
			for range *mutations {
				b = mutate(r, x.seeds)
				began := time.Now()
				x.run(b, uint8(r.Uint32()))
				longest = max(longest, time.Since(began))
			}
			if longest > limit() {
				t.Errorf("seed %d: one input took %v", seed, longest)
			}
			t.Logf("%d inputs, the longest took %v", *mutations, longest)
		})
	}
}

// telling are values by which lengths and counts are often wrong.
var telling = []byte{0, 1, 2, 7, 8, 9, 0x0f, 0x10, 0x11, 0x7f, 0x80, 0xfe, 0xff}

// mutate returns a seed with a few changes.
func mutate(r *rand.Rand, seeds [][]byte) []byte {
	b := slices.Clone(seeds[r.IntN(len(seeds))])
	for range 1 + r.IntN(6) {
		at := 0
		if len(b) > 0 {
			at = r.IntN(len(b))
		}
		switch op := r.IntN(7); {
		case len(b) == 0 || op == 0: // a byte more
			b = slices.Insert(b, at, byte(r.Uint32()))
		case op == 1:
			b[at] = byte(r.Uint32())
		case op == 2:
			b[at] = telling[r.IntN(len(telling))]
		case op == 3:
			b[at] ^= 1 << r.IntN(8)
		case op == 4: // a piece less
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(16)))
		case op == 5 && len(b) < 4096: // a piece twice
			b = slices.Insert(b, r.IntN(len(b)+1), slices.Clone(b[at:min(len(b), at+1+r.IntN(64))])...)
		default: // cut
			b = b[:at]
		}
	}
	return b
}
