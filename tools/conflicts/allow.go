package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// allowance says that a pair may share lines.
type allowance struct {
	lines  int
	reason string
}

// readAllowed reads a file with a pair, a number of lines and a reason in each line.
func readAllowed(file string) (map[string]allowance, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := map[string]allowance{}
	for i, l := range strings.Split(string(text), "\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		pair, rest, _ := strings.Cut(l, " ")
		number, reason, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		n, err := strconv.Atoi(number)
		if _, twice := all[pair]; err != nil || n < 1 || reason == "" || twice {
			return nil, fmt.Errorf("%s:%d: want a pair that is not there yet, a number of lines, and a reason", file, i+1)
		}
		all[pair] = allowance{n, strings.TrimSpace(reason)}
	}
	return all, nil
}
