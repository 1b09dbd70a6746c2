// Package cmdline reads the kernel command line: words separated by spaces.
//
// Quotes, single or double, keep spaces in a word and may stand anywhere in it; a
// backslash keeps the next character as it is. So run="cpus; ps" and "run=cpus; ps"
// are the same word: users type the first form, and GRUB turns it into the second.
//
// Layer: core; no allocation.
// Context: any.
// Locks: none.
// Chapter: docs/01-boot.md.
package cmdline

// Next copies the first word of line into out, without quotes and backslashes, and
// returns its length and the rest of the line. A word that does not fit into out is
// cut. ok is false when no word is left.
func Next(line, out []byte) (n int, rest []byte, ok bool) {
	i := 0
	for i < len(line) && space(line[i]) {
		i++
	}
	if i == len(line) {
		return 0, nil, false
	}
	quote := byte(0)
	for ; i < len(line); i++ {
		b := line[i]
		switch {
		case b == '\\' && i+1 < len(line):
			i++
			b = line[i]
		case quote != 0 && b == quote:
			quote = 0
			continue
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
			continue
		case quote == 0 && space(b):
			return n, line[i:], true
		}
		if n < len(out) {
			out[n] = b
			n++
		}
	}
	return n, nil, true
}

// MaxFile is the size of the largest file that File takes.
const MaxFile = 4096

// File copies the words of a file to out, with a space for each end of a line, and
// returns their length. out has MaxFile bytes. A line that begins with # is a remark. A
// problem is the end of a sentence about the file, "" for none, and line is where it
// is, 0 for the whole file.
//
// A quote or a backslash ends with its line, so that no error in the file reaches the
// words that follow it.
func File(file, out []byte) (n, line int, problem string) {
	if len(file) > MaxFile {
		return 0, 0, "has more than 4096 bytes"
	}
	if len(file) >= 3 && file[0] == 0xef && file[1] == 0xbb && file[2] == 0xbf {
		file = file[3:] // the byte order mark of Windows' editors
	}
	for len(file) > 0 {
		line++
		text := file
		file = nil
		for i, b := range text {
			if b == '\n' {
				text, file = text[:i], text[i+1:]
				break
			}
		}
		if len(text) > 0 && text[len(text)-1] == '\r' {
			text = text[:len(text)-1]
		}
		if problem = checkLine(text); problem != "" {
			return 0, line, problem
		}
		if len(text) > 0 && text[0] == '#' {
			continue
		}
		n += copy(out[n:], text)
		if n < len(out) {
			out[n] = ' '
			n++
		}
	}
	return n, 0, ""
}

// checkLine returns what is wrong with a line of a file.
func checkLine(text []byte) string {
	quote, remark := byte(0), len(text) > 0 && text[0] == '#'
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case b < ' ' && b != '\t' || b == 0x7f:
			return "a byte that is not text; save the file as plain text, UTF-8"
		case remark:
		case b == '\\' && i+1 == len(text):
			return "a backslash at the end"
		case b == '\\':
			i++
			if text[i] < ' ' {
				return "a byte that is not text; save the file as plain text, UTF-8"
			}
		case quote != 0 && b == quote:
			quote = 0
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
		}
	}
	if quote != 0 {
		return "a quote without its end"
	}
	return ""
}

// Command returns the first command of a line whose commands are separated by
// semicolons, and the rest after its semicolon. A semicolon in quotes or after a
// backslash belongs to its word, by the rules of Next. more is false when no
// semicolon ends the command, so that no other follows.
func Command(line []byte) (command, rest []byte, more bool) {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case b == '\\':
			i++
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == ';':
			return line[:i], line[i+1:], true
		}
	}
	return line, nil, false
}

func space(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// Value copies the value of the last word name=value into out and returns its
// length. ok is false when there is no such word.
func Value(line []byte, name string, out []byte) (n int, ok bool) {
	var word [128]byte
	for {
		k, rest, more := Next(line, word[:])
		if !more {
			return n, ok
		}
		if k > len(name) && string(word[:len(name)]) == name && word[len(name)] == '=' {
			n, ok = copy(out, word[len(name)+1:k]), true
		}
		line = rest
	}
}

// Has reports whether line has a word. Words with more than 63 bytes are passed over.
func Has(line []byte, word string) bool {
	var room [64]byte
	for {
		n, rest, ok := Next(line, room[:])
		if !ok {
			return false
		}
		if n == len(word) && n < len(room) && same(room[:n], word) {
			return true
		}
		line = rest
	}
}

// same is a loop, since == of strings uses vector registers.
func same(a []byte, b string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
