package thermal

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCelsius(t *testing.T) {
	const limit100 = 100 << 16
	for name, tc := range map[string]struct {
		most, has uint32
		msrs      map[uint32]uint64
		want      int
		reads     int
	}{
		"core":                  {6, hasCore, map[uint32]uint64{msrLimit: limit100, msrCore: 1<<31 | 43<<16}, 57, 2},
		"package":               {6, hasCore | hasPackage, map[uint32]uint64{msrLimit: limit100 | 3<<24, msrPackage: 60 << 16}, 40, 2},
		"other bits":            {0x1f, hasCore, map[uint32]uint64{msrLimit: 0xffff_ffff_ff64_ffff, msrCore: 0xffff_ffff_ff80_ffff | 20<<16}, 80, 2},
		"at the limit":          {6, hasCore, map[uint32]uint64{msrLimit: limit100, msrCore: 1 << 31}, 100, 2},
		"colder than 0":         {6, hasCore, map[uint32]uint64{msrLimit: limit100, msrCore: 1<<31 | 127<<16}, 0, 2},
		"not valid":             {6, hasCore, map[uint32]uint64{msrLimit: limit100, msrCore: 43 << 16}, 0, 2},
		"no limit":              {6, hasCore, map[uint32]uint64{msrLimit: 0, msrCore: 1<<31 | 43<<16}, 0, 2},
		"no leaf":               {5, hasCore, nil, 0, 0},
		"no sensor":             {6, hasPackage, nil, 0, 0},
		"a limit that faults":   {6, hasCore, map[uint32]uint64{msrCore: 1<<31 | 43<<16}, 0, 1},
		"a package that faults": {6, hasCore | hasPackage, map[uint32]uint64{msrLimit: limit100}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			s := Sensor{
				CPUID: func(leaf, _ uint32) (a, _, _, _ uint32) {
					if leaf == 0 {
						return tc.most, 0, 0, 0
					}
					return tc.has, 0, 0, 0
				},
				MSR: func(number uint32) (uint64, error) {
					reads++
					if v, ok := tc.msrs[number]; ok {
						return v, nil
					}
					return 0, errors.New("#GP")
				},
			}
			require.Equal(t, tc.want, s.Celsius())
			require.Equal(t, tc.reads, reads)
			again := reads
			s.Celsius()
			if s.broken {
				require.Equal(t, again, reads, "a register that faults is not read again")
			}
		})
	}
}
