package options

import (
	"slices"
	"strings"

	"muster/kernel/cmdline"
)

// Words returns all words of line, by the rules of package cmdline, without quotes
// and backslashes.
func Words(line string) (list []string) {
	rest := []byte(line)
	word := make([]byte, len(rest))
	for {
		n, next, ok := cmdline.Next(rest, word)
		if !ok {
			return list
		}
		list = append(list, string(word[:n]))
		rest = next
	}
}

// Commands splits "cmd; cmd" by the rules of package cmdline and drops empty ones.
// Each keeps its quotes and backslashes, for Words to read.
func Commands(line string) (list []string) {
	rest := []byte(line)
	for more := true; more; {
		var c []byte
		c, rest, more = cmdline.Command(rest)
		if len(Words(string(c))) > 0 {
			list = append(list, trim(string(c)))
		}
	}
	return list
}

// trim removes the spaces around a command that belong to none of its words.
func trim(c string) string {
	const spaces = " \t\n\r"
	c = strings.TrimLeft(c, spaces)
	if t := strings.TrimRight(c, spaces); slices.Equal(Words(t), Words(c)) {
		return t
	}
	return c // a quote or a backslash keeps the last space
}

// LastCommand returns the part of a line that its last semicolon leaves.
func LastCommand(line string) string {
	rest := []byte(line)
	for {
		c, next, more := cmdline.Command(rest)
		if !more {
			return string(c)
		}
		rest = next
	}
}
