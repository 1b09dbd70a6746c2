package cmdline

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	tests := map[string][]string{
		"":                                nil,
		"  \t ":                           nil,
		"nosmp maxcpus=2":                 {"nosmp", "maxcpus=2"},
		`run="cpus; ps" tick=5`:           {"run=cpus; ps", "tick=5"},
		`"run=cpus; ps"`:                  {"run=cpus; ps"},
		`'a b'c"d e" f`:                   {"a bcd e", "f"},
		`a\ b \"x\" "say \"hi\""`:         {"a b", `"x"`, `say "hi"`},
		`unclosed "quote runs on`:         {"unclosed", "quote runs on"},
		`"" x`:                            {"", "x"},
		`trailing\`:                       {`trailing\`},
		"one\ntwo":                        {"one", "two"},
		`run='echo "a b"' loglevel=7`:     {`run=echo "a b"`, "loglevel=7"},
		`env=A%3Db arg=%20 "arg=x y" end`: {"env=A%3Db", "arg=%20", "arg=x y", "end"},
	}
	for line, want := range tests {
		t.Run(line, func(t *testing.T) { require.Equal(t, want, Split([]byte(line))) })
	}
}

func TestValue(t *testing.T) {
	line := []byte(`tick=5 ticks=7 tick="20" nosmp tock`)
	var out [8]byte
	n, ok := Value(line, "tick", out[:])
	require.True(t, ok)
	require.Equal(t, "20", string(out[:n]), "the last one counts")
	_, ok = Value(line, "nosmp", out[:])
	require.False(t, ok, "no value")
	_, ok = Value(line, "tock", out[:])
	require.False(t, ok)
}

func TestNumber(t *testing.T) {
	line := []byte("a=12 b=x c= d=99999999999999999999 e=-1 f=18446744073709551616000000000")
	v, valid, ok := Number(line, "a")
	require.True(t, ok && valid)
	require.Equal(t, uint64(12), v)
	for _, name := range []string{"b", "c", "d", "e", "f"} {
		_, valid, ok = Number(line, name)
		require.True(t, ok, name)
		require.False(t, valid, name)
	}
	_, _, ok = Number(line, "g")
	require.False(t, ok)
}
