package options

import "muster/kernel/cmdline"

// Words returns all words of line, by the rules of package cmdline, without quotes and
// backslashes.
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
