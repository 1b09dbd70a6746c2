package shell

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"muster/kernel/options"
)

// Complete returns the words that the last word of a line may become, and the last
// word. Upper and lower case are the same.
func (s *Shell) Complete(line string) (candidates []string, last string) {
	words := strings.Split(strings.TrimLeft(options.LastCommand(line), " "), " ")
	last = words[len(words)-1]
	for _, w := range s.possible(words[:len(words)-1]) {
		if len(w) >= len(last) && strings.EqualFold(w[:len(last)], last) {
			candidates = append(candidates, w)
		}
	}
	slices.Sort(candidates)
	return candidates, last
}

// possible returns the words that may follow the words of a command.
func (s *Shell) possible(words []string) (all []string) {
	if len(words) == 0 {
		return commandNames(s)
	}
	c := s.find(words[0])
	if c == nil {
		return nil
	}
	if o, ok := c.option(words[len(words)-1]); ok && o.value != "" {
		if o.words != nil {
			all = o.words(s)
		}
		return all
	}
	before := c.arguments(words[1:])
	switch {
	case len(before) == 0 && c.words != nil:
		all = c.words(s)
	case len(before) > 0 && c.more != nil:
		all = c.more(s, before)
	}
	if c.verbatim && len(before) > 0 {
		return all
	}
	return append(slices.Clone(all), c.optionNames()...)
}

// arguments returns the words of a command that are neither options nor their values.
func (c *command) arguments(words []string) (list []string) {
	for i := 0; i < len(words); i++ {
		name, _, hasValue := strings.Cut(words[i], "=")
		switch o, ok := c.option(name); {
		case ok && o.value != "" && !hasValue:
			i++
		case words[i] != "" && !strings.HasPrefix(words[i], "-"):
			list = append(list, words[i])
		}
	}
	return list
}

// tab completes the word before the cursor: the common beginning of all candidates,
// or the only candidate and a space. When it cannot complete anything it lists the
// candidates.
func (s *Shell) tab(out io.Writer, line string, pos int) (string, int, bool) {
	head, rest := line[:pos], line[pos:]
	candidates, last := s.Complete(head)
	if len(candidates) == 0 {
		return "", 0, false
	}
	to := common(candidates)
	switch {
	case len(candidates) == 1:
		to += " "
	case len(to) <= len(last):
		to = last // the candidates differ in case before their ends
		fmt.Fprintln(out, strings.Join(candidates, "  "))
	}
	head = head[:len(head)-len(last)] + to
	return head + rest, len(head), true
}

// common returns the longest prefix of all words.
func common(words []string) string {
	p := words[0]
	for _, w := range words {
		for !strings.HasPrefix(w, p) {
			p = p[:len(p)-1]
		}
	}
	return p
}
