package options

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
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
		t.Run(line, func(t *testing.T) { require.Equal(t, want, Words(line)) })
	}
}
