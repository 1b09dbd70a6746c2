package shell

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ps lists threads, or processes with the sums of their threads.
func ps(_ context.Context, s *Shell, a args) error {
	rows := s.sys.Threads()
	if a.flag("-p") {
		process, err := s.process(rows, a.options["-p"])
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(t Thread) bool { return t.Process != process })
	}
	if a.flag("-processes") {
		return listProcesses(s, a, rows)
	}
	return shortened(s, a, rows, "ID PROC NAME STATE CLASS PRI CPU CPUS RUN-S WAIT-S", func(w io.Writer, t Thread, most int) {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t", t.ID, t.Process, cut(t.Name, most), t.State, t.Class,
			priority(t), t.CPU, setWithin(t.CPUs, most), brieflySeconds(&t.RunNS), brieflySeconds(t.WaitNS))
	})
}

// process returns the process that a word names by its number.
func (s *Shell) process(rows []Thread, word string) (process uint32, err error) {
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not the number of a process; ps -processes lists them", word)
	}
	if !slices.ContainsFunc(rows, func(t Thread) bool { return t.Process == uint32(n) }) {
		for _, t := range rows {
			if t.ID == uint32(n) {
				return 0, fmt.Errorf("%d is a thread of process %d, not a process", n, t.Process)
			}
		}
		return 0, fmt.Errorf("no process %d; ps -processes lists them", n)
	}
	return uint32(n), nil
}

// processes returns the numbers of all processes.
func processes(s *Shell) (words []string) {
	for _, p := range sums(s.sys.Threads()) {
		words = append(words, strconv.Itoa(int(p.Process)))
	}
	return words
}

// sums returns the processes of threads, by number.
func sums(rows []Thread) (list []Process) {
	for _, t := range rows {
		i, found := slices.BinarySearchFunc(list, t.Process, func(p Process, id uint32) int { return cmp.Compare(p.Process, id) })
		if !found {
			list = slices.Insert(list, i, Process{Process: t.Process, Name: t.Name, WaitNS: new(uint64)})
		}
		p := &list[i]
		if t.ID == t.Process {
			p.Name = t.Name
		}
		p.Threads++
		switch t.State {
		case "running":
			p.Running++
		case "ready":
			p.Ready++
		}
		p.RunNS += t.RunNS
		p.Switches += t.Switches
		if t.WaitNS == nil || p.WaitNS == nil {
			p.WaitNS = nil
		} else {
			*p.WaitNS += *t.WaitNS
		}
	}
	return list
}

func listProcesses(s *Shell, a args, rows []Thread) error {
	return shortened(s, a, sums(rows), "PROCESS NAME THREADS RUNNING READY SWITCHES RUN-S WAIT-S", func(w io.Writer, p Process, most int) {
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t", p.Process, cut(p.Name, most), p.Threads, p.Running, p.Ready, p.Switches,
			brieflySeconds(&p.RunNS), brieflySeconds(p.WaitNS))
	})
}

// priority returns what a thread's class orders its threads by, "-" where there is nothing.
func priority(t Thread) string {
	if t.Class == "kernel" || t.Class == "idle" {
		return "-"
	}
	return strconv.Itoa(int(t.Priority))
}

// longTime is the first time, in nanoseconds, that is written without its fraction.
const longTime = 10_000_000_000_000

// brieflySeconds is seconds of a time that may be long, or not known.
func brieflySeconds(ns *uint64) string {
	switch {
	case ns == nil:
		return "?"
	case *ns >= longTime:
		return strconv.FormatUint(*ns/1_000_000_000, 10)
	}
	return seconds(*ns)
}

// Bounds of a name in a table.
const (
	longestName  = 15
	shortestName = 4
)

// setWithin is shortSet, with less room beside the shortest names.
func setWithin(cpus []int, most int) string {
	if set := shortSet(cpus); most > shortestName || len(set) < len("10 CPUs") {
		return set
	}
	return fmt.Sprintf("%d CPUs", len(cpus))
}

// cut returns the first letters of a name, at most as many as most says. A plus sign is the last letter of a name that was cut.
func cut(name string, most int) string {
	letters := []rune(onlyPrintable([]byte(name)))
	if len(letters) <= most {
		return string(letters)
	}
	return string(letters[:most-1]) + "+"
}

// shortened is list for a table with names. It cuts the names until the lines fit, or the names are as short as they may be.
func shortened[T any](s *Shell, a args, rows []T, head string, row func(w io.Writer, r T, most int)) error {
	if a.json {
		return list(s, a, rows, head, nil)
	}
	var text []byte
	for most := longestName; ; {
		var b bytes.Buffer
		to := &Shell{out: &b}
		if err := list(to, a, rows, head, func(w io.Writer, r T) { row(w, r, most) }); err != nil {
			return err
		}
		text = b.Bytes()
		excess := widest(text) - width
		if excess <= 0 || most == shortestName {
			break
		}
		most = max(most-excess, shortestName)
	}
	_, err := s.out.Write(text)
	return err
}

// widest returns the number of letters in the longest line.
func widest(text []byte) (most int) {
	for line := range bytes.Lines(text) {
		most = max(most, utf8.RuneCount(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return most
}
