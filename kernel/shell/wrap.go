package shell

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// width is the number of letters in a line of output. VGA's text mode and many serial terminals have 80; after a
// letter in the last column some of them go to the next line.
const width = 79

// wrap returns words in lines of at most width letters; each line but the first begins with indent spaces, and
// the first has that much room less. A word is not divided.
func wrap(text string, indent int) string {
	var b strings.Builder
	at := indent
	for i, w := range strings.Fields(text) {
		n := utf8.RuneCountInString(w)
		switch {
		case i == 0:
		case at+1+n > width:
			fmt.Fprintf(&b, "\n%*s", indent, "")
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(w)
		at += n
	}
	return b.String()
}

// hang returns text in lines as wrap does, with all lines but the first two letters further in. Its first word has more
// than two.
func hang(text string) string { return text[:2] + wrap(text[2:], 2) }

// brief returns as much of the text about a command as fits in a line with room letters: up to a mark
// after which the text has the details.
func brief(about string, room int) string {
	if len(about) <= room {
		return about
	}
	end := 0
	for _, mark := range []string{"; ", ": ", " (", ", "} {
		if i := strings.LastIndex(about[:room], mark); i > 0 {
			end = i
			break
		}
	}
	return about[:end]
}

// meanings prints words with what they mean.
func (s *Shell) meanings(list []OptionHelp) error {
	indent := 0
	for _, o := range list {
		indent = max(indent, len(o.word())+4)
	}
	for _, o := range list {
		if _, err := fmt.Fprintf(s.out, "  %-*s%s\n", indent-2, o.word(), wrap(o.About, indent)); err != nil {
			return err
		}
	}
	return nil
}

// describeAll prints a list of names with what they mean.
func describeAll[T any](s *Shell, a args, rows []T, row func(T) OptionHelp) error {
	if a.json {
		return s.printJSON(rows)
	}
	var all []OptionHelp
	for _, r := range rows {
		all = append(all, row(r))
	}
	return s.meanings(all)
}

// word is an option with the name of its value.
func (o OptionHelp) word() string { return strings.TrimSpace(o.Name + " " + o.Value) }

// counted is a row of a table with a number for each CPU.
type counted struct {
	labels []string
	counts []uint64
}

// perCPU prints such rows. CPUs that do not fit beside one another have tables of their own, one below the
// other.
func perCPU(w io.Writer, head []string, rows []counted, cpus int) error {
	used := 0 // by the labels; 2 more letters before each column
	for i, h := range head {
		n := len(h)
		for _, r := range rows {
			n = max(n, utf8.RuneCountInString(r.labels[i]))
		}
		used += n + 2
	}
	for first := 0; first < cpus; {
		end, at := first, used
		for ; end < cpus; end++ {
			n := len(fmt.Sprintf("CPU%d", end))
			for _, r := range rows {
				n = max(n, len(fmt.Sprint(r.counts[end])))
			}
			if at += n + 2; at > width && end > first {
				break
			}
		}
		if first > 0 {
			fmt.Fprintln(w)
		}
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, strings.Join(head, "\t"), "\t")
		for cpu := first; cpu < end; cpu++ {
			fmt.Fprintf(t, "CPU%d\t", cpu)
		}
		fmt.Fprintln(t)
		for _, r := range rows {
			fmt.Fprint(t, strings.Join(r.labels, "\t"), "\t")
			for _, n := range r.counts[first:end] {
				fmt.Fprintf(t, "%d\t", n)
			}
			fmt.Fprintln(t)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		first = end
	}
	return nil
}
