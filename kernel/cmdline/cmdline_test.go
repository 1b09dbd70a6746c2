package cmdline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValue(t *testing.T) {
	line := []byte(`tick=5 ticks=7 tick="20" nosmp tock`)
	var out [8]byte
	n, ok := Value(line, "tick", out[:])
	require.True(t, ok)
	require.Equal(t, "20", string(out[:n]), "the last value is used")
	_, ok = Value(line, "nosmp", out[:])
	require.False(t, ok, "no value")
	_, ok = Value(line, "tock", out[:])
	require.False(t, ok)
}

// A file's words are those of its lines; an error in it is named by line.
func TestFile(t *testing.T) {
	tests := map[string]struct {
		file, want string
		line       int
		problem    string
	}{
		"empty":         {},
		"lines":         {file: "nosmp\ntick=5  loglevel=4\n\n# it's a remark\nmaxcpus=2", want: "nosmp tick=5  loglevel=4  maxcpus=2 "},
		"Windows":       {file: "\xef\xbb\xbfnosmp\r\ntick=5\r\n", want: "nosmp tick=5 "},
		"quotes":        {file: "run=\"cpus; it's\"\narg='a \"b' x\\ y", want: "run=\"cpus; it's\" arg='a \"b' x\\ y "},
		"not a remark":  {file: "a #b", want: "a #b "},
		"open quote":    {file: "nosmp\nrun=\"cpus\ntick=5", line: 2, problem: "a quote without its end"},
		"backslash":     {file: "nosmp \\\ntick=5", line: 1, problem: "a backslash at the end"},
		"zero byte":     {file: "a\nb\x00c", line: 2, problem: "a byte that is not text; save the file as plain text, UTF-8"},
		"UTF-16":        {file: "\xff\xfen\x00o\x00", line: 1, problem: "a byte that is not text; save the file as plain text, UTF-8"},
		"hidden zero":   {file: "a\\\x00", line: 1, problem: "a byte that is not text; save the file as plain text, UTF-8"},
		"remark's zero": {file: "#\x00", line: 1, problem: "a byte that is not text; save the file as plain text, UTF-8"},
		"largest":       {file: strings.Repeat("a", MaxFile), want: strings.Repeat("a", MaxFile)},
		"too large":     {file: strings.Repeat("a", MaxFile+1), problem: "has more than 4096 bytes"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out [MaxFile]byte
			n, line, problem := File([]byte(tc.file), out[:])
			require.Equal(t, tc.problem, problem)
			require.Equal(t, tc.line, line)
			require.Equal(t, tc.want, string(out[:n]))
		})
	}
}

// Whatever a file contains, the words after it are read as without it.
func FuzzFile(f *testing.F) {
	f.Add("run=\"cpus\\\"; ps\" '\n# x\n")
	f.Fuzz(func(t *testing.T, file string) {
		var out [MaxFile]byte
		n, _, problem := File([]byte(file), out[:])
		if problem != "" {
			require.Zero(t, n)
			return
		}
		line := append(append([]byte{}, out[:n]...), " last=1"...)
		var value [8]byte
		k, ok := Value(line, "last", value[:])
		require.True(t, ok, "%q", line)
		require.Equal(t, "1", string(value[:k]))
	})
}

func TestHas(t *testing.T) {
	line := []byte(` fault=ap1:silent "fault=hpet:still" fault=pit:dead2 ` + strings.Repeat("x", 70) + ` last`)
	for word, want := range map[string]bool{
		"fault=ap1:silent": true, "fault=hpet:still": true, "last": true, "": false,
		"fault=pit:dead": false, "fault=hpet": false, "hpet:still": false, strings.Repeat("x", 64): false,
	} {
		require.Equal(t, want, Has(line, word), word)
	}
}
