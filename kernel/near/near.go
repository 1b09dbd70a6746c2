// Package near finds the name that was meant by a mistyped word.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/12-shell-and-tests.md.
package near

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns the name that takes the fewest edits to reach from word, if that
// is near: at most one edit for each three letters. Otherwise ok is false, because a name that has nothing in common
// with the word does not help. Of names that are equally near, the first is one that has letters doubled which the
// word has once, or the other way round, then one of the word's length: two letters swapped are a commoner slip
// than one too many.
func Nearest(word string, names []string) (name string, ok bool) {
	var least [3]int
	for _, n := range names {
		a, b := strings.ToLower(word), strings.ToLower(n)
		d := [3]int{distance(a, b), distance(single(a), single(b))}
		if len(n) != len(word) {
			d[2] = 1
		}
		if 3*d[0] <= max(len(word), len(n)) && (!ok || slices.Compare(d[:], least[:]) < 0) {
			name, least, ok = n, d, true
		}
	}
	return name, ok
}

// single returns a word with one letter where the same one stands several times in a row.
func single(word string) string { return string(slices.Compact([]byte(word))) }

// Suggest returns the end of an error about an unknown word: the nearest name, or
// nothing.
func Suggest(word string, names []string) string {
	if n, ok := Nearest(word, names); ok {
		return fmt.Sprintf(", nearest is %q", n)
	}
	return ""
}

// distance counts the edits between two words: a letter inserted, dropped or
// replaced, or two neighbours swapped (the optimal string alignment distance). If a
// word has more than maxWord bytes, the distance is its length.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return max(len(a), len(b))
	}
	d := make([][]int, len(a)+1) // d[i][j] is the distance between a[:i] and b[:j]
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			d[i][j] = min(replaced, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// maxWord bounds the work of one comparison.
const maxWord = 64

// Match returns the name that a word means; upper and lower case are the same.
func Match(word string, names []string) (name string, ok bool) {
	for _, n := range names {
		if strings.EqualFold(word, n) {
			return n, true
		}
	}
	return "", false
}
