package acpi

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sized puts the length of a package before its bytes.
func sized(body ...byte) []byte {
	if len(body)+1 < 1<<6 {
		return append([]byte{byte(len(body) + 1)}, body...)
	}
	n := len(body) + 2
	return append([]byte{1<<6 | byte(n&0xf), byte(n >> 4)}, body...)
}

// cst makes an object _CST with a count and states.
func cst(count byte, states ...[]byte) []byte {
	body := append([]byte{byte(len(states) + 1), amlByte, count}, slices.Concat(states...)...)
	return slices.Concat([]byte{amlName}, cstName, []byte{amlPackage}, sized(body...))
}

// state makes the package of one state: a register, its type, latency and power.
func state(space, address, kind, latency byte) []byte {
	register := []byte{amlByte, 17, registerTag, 12, 0, space, 1, 2, 1, address, 0, 0, 0, 0, 0, 0, 0, 0x79, 0}
	body := slices.Concat([]byte{4, amlBuffer}, sized(register...), []byte{amlByte, kind, amlWord, latency, 0, amlDword, 0xe8, 3, 0, 0})
	return append([]byte{amlPackage}, sized(body...)...)
}

func TestFindIdleStates(t *testing.T) {
	c1 := IdleState{1, GAS{SpaceFixed, 1, 2, 1, 0}, 1, 1000}
	c3 := IdleState{3, GAS{SpaceFixed, 1, 2, 1, 0x20}, 133, 1000}
	io := IdleState{2, GAS{SpaceIO, 1, 2, 1, 0x14}, 20, 1000}
	two := cst(2, state(0x7f, 0, 1, 1), state(0x7f, 0x20, 3, 133))
	broken := func(b []byte, at int, v byte) []byte { b = slices.Clone(b); b[at] = v; return b }
	for name, tc := range map[string]struct {
		aml  []byte
		want IdleStates
	}{
		"none":                    {nil, IdleStates{}},
		"two states":              {two, IdleStates{Named: 1, States: []IdleState{c1, c3}}},
		"a port":                  {cst(1, state(1, 0x14, 2, 20)), IdleStates{Named: 1, States: []IdleState{io}}},
		"two processors":          {slices.Concat(two, cst(1, state(1, 0x14, 2, 20))), IdleStates{Named: 2, States: []IdleState{c1, c3}}},
		"no states":               {cst(0), IdleStates{Named: 1, States: []IdleState{}}},
		"a method":                {slices.Concat([]byte{amlMethod, 8}, cstName, []byte{0, 0xa4, 0}), IdleStates{Methods: 1}},
		"a long method":           {slices.Concat([]byte{amlMethod, 0x4f, 0x12}, cstName, []byte{0}), IdleStates{Methods: 1}},
		"a reference":             {slices.Concat([]byte{0xa4}, cstName), IdleStates{}},
		"a name for something":    {slices.Concat([]byte{amlName}, cstName, []byte{amlZero}), IdleStates{Methods: 1}},
		"fewer states than said":  {cst(3, state(0x7f, 0, 1, 1)), IdleStates{Methods: 1}},
		"more states than can be": {cst(maxIdleStates+1, state(0x7f, 0, 1, 1)), IdleStates{Methods: 1}},
		"cut":                     {two[:len(two)-5], IdleStates{Methods: 1}},
		"no register":             {broken(two, len(cst(2))+6, 0x79), IdleStates{Methods: 1}},
	} {
		tab, err := NewTable(table("SSDT", tc.aml...), 0)
		require.NoError(t, err)
		require.Equal(t, tc.want, FindIdleStates(tab), name)
	}
	require.Equal(t, IdleStates{}, FindIdleStates(Table{}))
}

// Whatever the bytes are, the search ends.
func FuzzFindIdleStates(f *testing.F) {
	f.Add(cst(1, state(0x7f, 0, 1, 1)))
	f.Add(slices.Concat([]byte{amlMethod, 8}, cstName))
	f.Fuzz(func(t *testing.T, aml []byte) {
		tab, err := NewTable(table("SSDT", aml...), 0)
		require.NoError(t, err)
		s := FindIdleStates(tab)
		require.LessOrEqual(t, len(s.States), maxIdleStates)
	})
}
