//go:build qemu

package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Parts of a line that differ from machine to machine and from boot to boot.
var (
	digits = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+(\\?\.[0-9]+)*`)
	blanks = regexp.MustCompile(`\s+`)
	scale  = regexp.MustCompile(`command line ".*"`)
)

// pattern returns what a line of the README must look like on any machine.
func pattern(line string) *regexp.Regexp {
	p := regexp.QuoteMeta(strings.TrimSpace(line))
	p = scale.ReplaceAllLiteralString(p, `command line ".*"`)
	p = digits.ReplaceAllLiteralString(p, `(0x[0-9a-f]+|[0-9.]+)`)
	return regexp.MustCompile(`^` + blanks.ReplaceAllLiteralString(p, `\s+`) + `$`)
}

// besides are the lines of goroutines that run beside the start of the CPUs: each boot has
// them elsewhere.
var besides = regexp.MustCompile(`cpu[0-9]+: (irq|button|pci|ps2): `)

// The README's session is what the command prints that make run runs: the same lines in the same order, with other
// numbers. Three dots stand for lines that it leaves out.
func TestReadmeSession(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "after GRUB:\n\n")
	require.True(t, ok)
	block, _, ok := strings.Cut(after, "\n\n")
	require.True(t, ok)
	block = strings.ReplaceAll("\n"+block, "\n    ", "\n")

	s := start(t, "--boot", "bios") // no screen and no keyboard, as with make run
	for _, part := range strings.Split(block, "\nmuster> ")[1:] {
		command, _, _ := strings.Cut(part, "\n")
		s.expect("muster> ").say(command + "\r").expect(command)
	}
	s.end(0)

	log := strings.Split(s.log(), "\n")
	at, gap := 0, true // before the first line: GRUB
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		if line == "..." {
			gap = true
			continue
		}
		p := pattern(line)
		for ; ; at++ {
			require.Less(t, at, len(log), "%q is not printed", line)
			_, shown, erased := strings.Cut(log[at], "\x1b[K") // a line that was typed, and printed again
			if !erased {
				shown = log[at]
			}
			if i := strings.LastIndexByte(shown, '\x1b'); gap && i >= 0 { // of GRUB, before the kernel's first line
				shown = strings.TrimLeft(shown[i+1:], "[0123456789;HJm")
			}
			if p.MatchString(strings.TrimSpace(shown)) {
				break
			}
			require.True(t, gap || besides.MatchString(shown), "instead of %q there is %q", line, shown)
		}
		at, gap = at+1, false
	}
}
