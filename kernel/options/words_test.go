package options

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cmdline"
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

func TestCommands(t *testing.T) {
	for line, want := range map[string][]string{
		"":                    nil,
		" ; ;; ":              nil,
		"a":                   {"a"},
		"a;b":                 {"a", "b"},
		" a -x 1 ;b;":         {"a -x 1", "b"},
		`a "b;c"; d`:          {`a "b;c"`, "d"},
		`a 'b;c';d`:           {`a 'b;c'`, "d"},
		`a b\;c;d`:            {`a b\;c`, "d"},
		`a "b\";c";d`:         {`a "b\";c"`, "d"},
		`a "it's;" ; 'q";' x`: {`a "it's;"`, `'q";' x`},
		`a "open; b`:          {`a "open; b`},
		`a\`:                  {`a\`},
	} {
		t.Run(line, func(t *testing.T) { require.Equal(t, want, Commands(line)) })
	}
	require.Equal(t, " b", LastCommand(`x ";" ; a; b`))
	require.Empty(t, LastCommand("a;"))
}

// The words of a line's commands are the words of the line with a space for each
// semicolon that separates commands: Command and Next read quotes alike.
func FuzzCommands(f *testing.F) {
	f.Add(`a "b;c" ; d\; 'e"' f`)
	f.Fuzz(func(t *testing.T, line string) {
		var spaced []byte
		for rest, more := []byte(line), true; more; {
			var c []byte
			c, rest, more = cmdline.Command(rest)
			spaced = append(spaced, c...)
			if more {
				spaced = append(spaced, ' ')
			}
		}
		var got []string
		for _, c := range Commands(line) {
			got = append(got, Words(c)...)
		}
		require.Equal(t, Words(string(spaced)), got)
	})
}
