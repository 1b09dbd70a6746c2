package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/kernel/near"
)

// command is one command of the shell.
type command struct {
	name    string
	usage   string   // its arguments, "" if it takes none
	most    int      // how many arguments it takes at most; 0: any number, if usage has some
	options []option // besides -json and -h
	about   string
	json    bool // accepts -json
	// verbatim: the words after the first argument are not options, but another program's
	verbatim bool
	negative bool // numbers below 0 are arguments
	run      func(ctx context.Context, s *Shell, a args) error
	words    func(s *Shell) []string                  // possible first arguments
	explain  func(s *Shell) []OptionHelp              // the same, with what each means
	more     func(s *Shell, before []string) []string // possible further arguments, after those before
}

// option is an option of one command.
type option struct {
	name  string // "-kind"
	value string // the name of its value, "" for an option without a value
	about string
	words func(s *Shell) []string // possible values
}

// Options that commands share.
var (
	optJSON = option{name: "-json", about: "print one JSON document on one line, errors too"}
	optHelp = option{name: "-h", about: "print this and do nothing else"}
)

// args is the words after the command's name.
type args struct {
	list    []string
	options map[string]string // by name
	json    bool
}

// flag reports whether an option was given.
func (a args) flag(name string) bool {
	_, ok := a.options[name]
	return ok
}

// first returns the first argument, "" if there is none.
func (a args) first() string {
	if len(a.list) == 0 {
		return ""
	}
	return a.list[0]
}

// errUsage says that the arguments do not fit.
var errUsage = errors.New("usage")

// isOption reports whether a word names an option. Two dashes mean the same as one.
func isOption(word, name string) bool {
	return word == name || word == "-"+name
}

func wantsJSON(word string) bool { return isOption(word, optJSON.name) }

func wantsHelp(word string) bool { return isOption(word, optHelp.name) || isOption(word, "-help") }

// own returns the words that may be the command's own options.
func (c *command) own(words []string) []string {
	if c.verbatim {
		if i := slices.IndexFunc(words, func(w string) bool { return !strings.HasPrefix(w, "-") }); i >= 0 {
			return words[:i]
		}
	}
	return words
}

// allOptions returns the command's options, the shared ones too.
func (c *command) allOptions() []option {
	all := slices.Clone(c.options)
	if c.json {
		all = append(all, optJSON)
	}
	return append(all, optHelp)
}

// parse reads the words after a command's name. The value of an option is the next
// word, or follows after an equals sign.
func (c *command) parse(words []string) (a args, err error) {
	a.options = map[string]string{}
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		if c.verbatim && len(a.list) > 0 {
			a.list = append(a.list, w)
			continue
		}
		if !strings.HasPrefix(w, "-") || len(w) == 1 || c.negative && isNumber(w) {
			a.list = append(a.list, w)
			continue
		}
		name, value, hasValue := strings.Cut(w, "=")
		o, ok := c.option(name)
		switch {
		case !ok:
			return a, fmt.Errorf("unknown option %s%s; usage: %s", w, near.Suggest(name, c.optionNames()), c.synopsis())
		case o.value == "" && hasValue:
			return a, fmt.Errorf("option %s takes no value; usage: %s", o.name, c.synopsis())
		case o.value != "" && !hasValue:
			if len(words) == 0 {
				return a, fmt.Errorf("option %s needs a value, %s; usage: %s", o.name, o.value, c.synopsis())
			}
			value, words = words[0], words[1:]
		}
		a.options[o.name] = value
		a.json = a.json || o.name == optJSON.name
	}
	if most := c.most; (most > 0 || c.usage == "") && len(a.list) > most {
		return a, c.surplus(a.list[most])
	}
	return a, nil
}

// isNumber reports whether a word is a number.
func isNumber(word string) bool {
	_, err := strconv.Atoi(word)
	return err == nil
}

// surplus is the error for a word after all that the command takes.
func (c *command) surplus(word string) error {
	return fmt.Errorf("%q is one word too many; usage: %s", word, c.synopsis())
}

// misuse is the error for arguments that do not fit. If the command has forms, as offline CPUS | online CPUS, it
// says that the first word names none of them, or how the form is used that it names.
func (c *command) misuse(s *Shell, a args) error {
	var names []string
	for form := range strings.SplitSeq(strings.Trim(c.usage, "[]"), " | ") {
		name, rest, _ := strings.Cut(form, " ")
		if c.words == nil || !slices.Contains(c.words(s), name) {
			continue // not a word, but the name of an argument
		}
		if name == a.first() && rest != "" {
			return fmt.Errorf("usage: %s %s %s", c.name, name, rest)
		}
		names = append(names, name)
	}
	if first := a.first(); first != "" && len(names) > 0 && !slices.Contains(names, first) {
		return fmt.Errorf("no %q%s; usage: %s", first, near.Suggest(first, names), c.synopsis())
	}
	return fmt.Errorf("usage: %s", c.synopsis())
}

func (c *command) option(word string) (option, bool) {
	for _, o := range c.allOptions() {
		if isOption(word, o.name) {
			return o, true
		}
	}
	return option{}, false
}

func (c *command) optionNames() (names []string) {
	for _, o := range c.allOptions() {
		names = append(names, o.name)
	}
	return names
}

// synopsis returns a line such as "trace [-kind NAME] [-json] [CPU [N]]".
func (c *command) synopsis() string {
	parts := []string{c.name}
	for _, o := range c.allOptions() {
		switch {
		case o.name == optHelp.name:
		case o.value != "":
			parts = append(parts, "["+o.name+" "+o.value+"]")
		default:
			parts = append(parts, "["+o.name+"]")
		}
	}
	if c.usage != "" {
		parts = append(parts, c.usage)
	}
	return strings.Join(parts, " ")
}

// CommandHelp is the help for one command.
type CommandHelp struct {
	Name    string       `json:"name"`
	Usage   string       `json:"usage"`
	About   string       `json:"about"`
	Words   []string     `json:"words,omitempty"`     // possible first arguments
	Meaning []OptionHelp `json:"arguments,omitempty"` // the same, with what each means
	Options []OptionHelp `json:"options"`
}

// OptionHelp is the help for one option.
type OptionHelp struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	About string `json:"about"`
}

func (s *Shell) commandHelp(c *command) CommandHelp {
	h := CommandHelp{Name: c.name, Usage: c.synopsis(), About: c.about}
	if c.words != nil {
		h.Words = c.words(s)
	}
	if c.explain != nil {
		h.Meaning = c.explain(s)
	}
	for _, o := range c.allOptions() {
		h.Options = append(h.Options, OptionHelp{o.name, o.value, o.about})
	}
	return h
}

// describe prints how a command is used, what it does and what its options mean.
func (s *Shell) describe(c *command, json bool) error {
	h := s.commandHelp(c)
	if json {
		return s.printJSON(h)
	}
	fmt.Fprintf(s.out, "%s\n%s\n", wrap("usage: "+h.Usage, 0), wrap(h.About, 0))
	switch {
	case len(h.Meaning) > 0:
		fmt.Fprintln(s.out, "first argument:")
		if err := s.meanings(h.Meaning); err != nil {
			return err
		}
		fmt.Fprintln(s.out, "options:")
	case len(h.Words) > 0:
		fmt.Fprintln(s.out, wrap("first argument: "+strings.Join(h.Words, ", "), 0))
	}
	return s.meanings(h.Options)
}

func help(_ context.Context, s *Shell, a args) error {
	if a.first() != "" {
		c := s.find(a.first())
		if c == nil {
			return fmt.Errorf("no command %q%s; help lists all", a.first(), near.Suggest(a.first(), commandNames(s)))
		}
		return s.describe(c, a.json)
	}
	if a.json {
		var all []CommandHelp
		for i := range s.commands {
			all = append(all, s.commandHelp(&s.commands[i]))
		}
		return s.printJSON(all)
	}
	longest := 0
	for _, name := range commandNames(s) {
		longest = max(longest, len(name)+2)
	}
	for _, c := range s.commands {
		fmt.Fprintf(s.out, "%-*s%s\n", longest, c.name, brief(c.about, width-longest))
	}
	fmt.Fprintln(s.out, "\nCOMMAND -h explains one, and its options; a semicolon separates commands.")
	return nil
}

func commandNames(s *Shell) (names []string) {
	for _, c := range s.commands {
		names = append(names, c.name)
	}
	return names
}
