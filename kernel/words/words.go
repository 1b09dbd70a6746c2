// Package words splits a command line into words, by the rules of package
// cmdline, for code that has a heap.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/01-boot.md.
package words

import "muster/kernel/cmdline"

// Split returns all words of line, without quotes and backslashes.
func Split(line string) (list []string) {
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
