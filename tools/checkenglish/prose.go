package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A paragraph is text whose sentences may go on from line to line.
type paragraph struct {
	first int // line number of lines[0], from 1 on
	lines []string

	literal bool // a string, not a comment
}

// number returns the line number of lines[i].
func (p paragraph) number(i int) int { return p.first + i }

// A sentence is a part of a paragraph, with single spaces between its words.
type sentence struct {
	text  string
	start []int // offsets in text at which the lines begin
	line  []int // the numbers of those lines
}

func (s sentence) lineOf(offset int) int {
	line := s.line[0]
	for i, at := range s.start {
		if at <= offset {
			line = s.line[i]
		}
	}
	return line
}

var sentenceEnd = regexp.MustCompile(`[.?!]["')]*$`)

// sentences splits a paragraph. A sentence ends with a period, a question mark or an
// exclamation mark at the end of a word, if the next word does not begin in lower case.
func (p paragraph) sentences() (list []sentence) {
	var s sentence
	for i, l := range p.lines {
		if _, ok := marker(l); ok && !p.literal {
			continue
		}
		for j, word := range strings.Fields(l) {
			if s.text != "" && sentenceEnd.MatchString(s.text) && !('a' <= word[0] && word[0] <= 'z') {
				list = append(list, s)
				s = sentence{}
			}
			if s.text != "" {
				s.text += " "
			}
			if j == 0 || s.text == "" {
				s.start, s.line = append(s.start, len(s.text)), append(s.line, p.number(i))
			}
			s.text += word
		}
	}
	if s.text != "" {
		list = append(list, s)
	}
	return list
}

// reader returns the function that takes the prose from a file of the name's kind,
// nil for files without prose.
func reader(name string) func(name, text string) ([]paragraph, error) {
	switch filepath.Ext(name) {
	case ".go":
		return readGo
	case ".s", ".S", ".pml", ".ld", ".h":
		return readSlashes
	case ".sh", ".yml", ".yaml":
		return readHashes
	case ".md":
		return readMarkdown
	}
	if filepath.Base(name) == "Makefile" {
		return readHashes
	}
	return nil
}

var (
	directive = regexp.MustCompile(`^//(go|muster|line):`)
	mark      = regexp.MustCompile(`^//[a-z]+:[a-z]+`)
	prose     = regexp.MustCompile(`[A-Za-z]{2,}[,:;.]? [A-Za-z]`)
	listItem  = regexp.MustCompile(`^(\t| {2,}|[-*] |[0-9]+\. |[A-Z][A-Za-z]+: )`)
)

// readGo returns comments, and string literals of at least two words. A literal of
// generated code is the generator's.
func readGo(name, text string) ([]paragraph, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(f) {
		return nil, nil
	}
	var list []paragraph
	for _, group := range f.Comments {
		var g paragraphs
		for _, c := range group.List {
			line := files.Position(c.Pos()).Line
			if directive.MatchString(c.Text) {
				g.end()
				continue
			}
			if mark.MatchString(c.Text) { // the mark of an analyzer, and a reason in prose
				g.end()
				g.add(line, mark.ReplaceAllString(c.Text, ""))
				g.end()
				continue
			}
			body := strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/")
			for i, l := range strings.Split(body, "\n") {
				g.add(line+i, strings.TrimPrefix(strings.TrimPrefix(l, "//"), " "))
			}
		}
		list = append(list, g.all()...)
	}
	imports := map[*ast.BasicLit]bool{}
	for _, i := range f.Imports {
		imports[i.Path] = true
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Tag != nil {
			imports[field.Tag] = true
		}
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING || imports[lit] {
			return true
		}
		if s, err := strconv.Unquote(lit.Value); err == nil && prose.MatchString(s) {
			raw := strings.HasPrefix(lit.Value, "`")
			for i, l := range strings.Split(s, "\n") {
				line := files.Position(lit.Pos()).Line
				if raw {
					line += i
				}
				list = append(list, paragraph{line, []string{l}, true})
			}
		}
		return true
	})
	return list, nil
}

// paragraphs collects lines of comment into paragraphs.
type paragraphs struct {
	done []paragraph
	open paragraph
}

// add adds a line. An empty line ends the paragraph. An indented line, an item of a
// list and a line with a title, as "Context: ", begin a new one.
func (g *paragraphs) add(line int, text string) {
	if strings.TrimSpace(text) == "" {
		g.end()
		return
	}
	if listItem.MatchString(text) || len(g.open.lines) > 0 && g.open.first+len(g.open.lines) != line {
		g.end()
	}
	if len(g.open.lines) == 0 {
		g.open.first = line
	}
	g.open.lines = append(g.open.lines, inlineCode.ReplaceAllString(text, "`CODE`"))
}

func (g *paragraphs) end() {
	if len(g.open.lines) > 0 {
		g.done = append(g.done, g.open)
	}
	g.open = paragraph{}
}

func (g *paragraphs) all() []paragraph {
	g.end()
	return g.done
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	slashes    = regexp.MustCompile(`^(.*?)//(.*)$`)
	hashes     = regexp.MustCompile(`^(|.*?\s)#\s(.*)$`)
	quoted     = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
)

// readSlashes returns the comments of assembly, of Promela and of linker scripts.
func readSlashes(_, text string) ([]paragraph, error) {
	var g paragraphs
	for i, l := range strings.Split(text, "\n") {
		if m := slashes.FindStringSubmatch(l); m != nil {
			comment(&g, i+1, m[1], m[2])
			continue
		}
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "/*") || strings.HasPrefix(l, "* ") || strings.HasSuffix(l, "*/") {
			if at := strings.Index(l, "/*"); at > 0 {
				g.end()
				l = l[at:]
			}
			g.add(i+1, strings.TrimSpace(strings.TrimSuffix(strings.TrimLeft(l, "/* "), "*/")))
			continue
		}
		g.end()
	}
	return g.all(), nil
}

// comment adds a comment after code. One that has its line for itself goes on in
// the next line.
func comment(g *paragraphs, line int, code, text string) {
	if strings.TrimSpace(code) != "" {
		g.end()
		g.add(line, strings.TrimSpace(text))
		g.end()
		return
	}
	g.add(line, strings.TrimPrefix(text, " "))
}

// helpText is the name that a script gives to the end of a text that it prints.
const helpText = "TEXT"

// readHashes returns the comments of scripts and of the Makefile, the strings of at
// least two words in their commands, and the texts that end with helpText.
func readHashes(_, text string) ([]paragraph, error) {
	var g paragraphs
	var strs []paragraph
	inText := false
	for i, l := range strings.Split(text, "\n") {
		if inText {
			if inText = l != helpText; inText {
				g.add(i+1, l)
			} else {
				g.end()
			}
			continue
		}
		if inText = strings.HasSuffix(l, "<<'"+helpText+"'"); inText {
			g.end()
			continue
		}
		code := l
		if m := hashes.FindStringSubmatch(l); m != nil {
			comment(&g, i+1, m[1], " "+m[2])
			code = m[1]
		} else {
			g.end()
		}
		for _, m := range quoted.FindAllStringSubmatch(code, -1) {
			if s := m[1] + m[2]; prose.MatchString(s) {
				strs = append(strs, paragraph{i + 1, []string{s}, true})
			}
		}
	}
	return append(g.all(), strs...), nil
}

// readMarkdown returns the prose of a page: neither code blocks nor inline code.
func readMarkdown(_, text string) ([]paragraph, error) {
	var g paragraphs
	fenced := false
	for i, l := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(l), "```"):
			fenced = !fenced
			g.end()
		case fenced, strings.HasPrefix(l, "    "):
			g.end()
		case strings.HasPrefix(l, "#"), strings.HasPrefix(l, "|"):
			g.end()
			for _, cell := range strings.Split(strings.Trim(l, "#|"), "|") {
				g.add(i+1, strings.TrimSpace(cell))
				g.end()
			}
		default:
			g.add(i+1, l)
		}
	}
	return g.all(), nil
}
