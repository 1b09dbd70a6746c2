package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"muster/kernel/shell"
)

// clocks are machines whose time-stamp counter is measured by different counters.
var clocks = []struct{ machine, words string }{
	{"q35", ""}, {"q35,hpet=off", ""}, {"pc,pit=off", ""}, {"q35,hpet=off", "fault=pm:still"}, {"microvm", ""},
}

// The log's lines after the calibration of the counter, and of the local APIC's timer.
var (
	clockLine = regexp.MustCompile(`\[ *([\d.]+)\] cpu0: clock: time-stamp counter at \d+ kHz`)
	timerLine = regexp.MustCompile(`\[ *([\d.]+)\] cpu0: irq: timer: `)
)

// clock measures how long the calibration of the clock takes, and how exact it is.
func (b *book) clock() error {
	b.line("## The clock's calibration at boot\n")
	b.line("By which counter a machine measures its time-stamp counter, by how much the result differs from the frequency that it has under")
	b.line("`--icount` (1 GHz, exactly), the bound that the kernel gives for its error, and how much the other counters differ from the chosen one.")
	b.line("Then millions of instructions, each a millisecond, from the kernel's first line to the frequency, which are the calibration and little else, and")
	b.line("from there until the local APIC's timer is measured and tried. Median of %d seeds (lowest to highest):\n", b.seeds)
	b.line("    %s --boot pvh --icount --machine MACHINE --append 'WORDS' --qemu '-seed N' --run 'time -v'\n", script)
	b.line("| machine | words | chosen | error, ppm | bound, ppm | others | clock, M | range | timer, M | range |\n|---|---|---|---:|---:|---|---:|---|---:|---|")
	for _, m := range clocks {
		var wrong, clock, timer []float64
		var last shell.Time
		for seed := 1; seed <= b.seeds; seed++ {
			text, err := run("--boot", "pvh", "--icount", "--machine", m.machine, "--append", m.words, "--qemu", fmt.Sprintf("-seed %d", seed), "--run", "time -json")
			if err != nil {
				return err
			}
			_, after, _ := strings.Cut(text, "muster> time -json\n")
			last = shell.Time{}
			if err := json.NewDecoder(strings.NewReader(after)).Decode(&last); err != nil {
				return fmt.Errorf("time -json: %w", err)
			}
			at, err := timesOf(text)
			if err != nil {
				return err
			}
			wrong = append(wrong, (float64(last.Hz)/1e9-1)*1e6)
			clock, timer = append(clock, at[0]*1e3), append(timer, (at[1]-at[0])*1e3)
		}
		var others []string
		bound := uint64(0)
		for _, s := range last.Sources {
			switch s.State {
			case "chosen":
				bound = uint64(s.Bound)
			case "agrees":
				others = append(others, fmt.Sprintf("%s %d ppm", s.Name, s.Apart))
			}
		}
		if others == nil {
			others = []string{"none"}
		}
		b.line("| %s | %s | %s | %.1f | %d | %s | %.2f | %.2f to %.2f | %.2f | %.2f to %.2f |", m.machine, m.words, last.From, median(wrong), bound, strings.Join(others, ", "),
			median(clock), slices.Min(clock), slices.Max(clock), median(timer), slices.Min(timer), slices.Max(timer))
	}
	b.line("")
	return nil
}

// timesOf returns the seconds in front of the two lines.
func timesOf(text string) (at [2]float64, err error) {
	for i, line := range []*regexp.Regexp{clockLine, timerLine} {
		m := line.FindStringSubmatch(text)
		if m == nil {
			return at, errors.New("the log does not say when the clock was calibrated")
		}
		if at[i], err = strconv.ParseFloat(m[1], 64); err != nil {
			return at, err
		}
	}
	return at, nil
}
