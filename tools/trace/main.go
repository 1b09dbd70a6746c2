// Command trace boots the kernel in QEMU and draws how its CPUs were started, as
// an SVG: a lane for each CPU, a mark for each step. With -run it records the events of
// all CPUs while commands of the shell run, for Perfetto or Chrome's about:tracing.
//
//	trace [-cpus 4] [-o docs/bringup.svg]
//	trace [-cpus 4] -o build/trace.json -run 'test threads'
//
// Layer: host.
// Chapter: docs/08-starting-cpus.md.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	svg "github.com/ajstarks/svgo"

	"muster/kernel/shell"
	"muster/tools/patience"
)

func main() {
	cpus := flag.Int("cpus", 4, "CPUs of the machine")
	out := flag.String("o", "docs/bringup.svg", "file to write")
	run := flag.String("run", "", "commands whose events are recorded")
	flag.Parse()
	if *run != "" {
		if err := recordTo(*out, *cpus, *run); err != nil {
			log.Fatal(err)
		}
		return
	}
	rows, err := measure(*cpus)
	if err != nil {
		log.Fatal(err)
	}
	f, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	draw(f, rows)
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

const command = "smp trace -json"

// measure boots and returns the output of the shell's command.
func measure(cpus int) (rows []shell.BringUp, err error) {
	after, err := output(cpus, command, command)
	if err != nil {
		return nil, err
	}
	return rows, json.NewDecoder(strings.NewReader(after)).Decode(&rows)
}

// output boots, runs commands, and returns what the console shows after the last of them.
func output(cpus int, commands, last string) (string, error) {
	cmd := patience.Command(context.Background(), "scripts/qemu-run.sh", "--boot", "pvh", "--cpus", strconv.Itoa(cpus), "--mem", "1024", "--timeout", "300", "--run", commands)
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	_, after, ok := strings.Cut(strings.ReplaceAll(string(text), "\r", ""), "muster> "+last+"\n")
	if !ok {
		return "", fmt.Errorf("%q was not run:\n%s", last, text)
	}
	return after, nil
}

// Measures of the drawing, in pixels.
const (
	left, right = 110, 30
	top, bottom = 46, 60
	lane        = 44
	width       = 1000
)

// sent are the steps of the boot CPU; the CPU itself takes the others.
var sent = map[string]bool{"INIT": true, "SIPI": true, "seen ready": true, "seen online": true}

// draw draws rows to w.
func draw(w io.Writer, rows []shell.BringUp) {
	last := 1.0
	for _, r := range rows {
		for _, s := range r.Steps {
			last = max(last, s.Micros)
		}
	}
	height := top + bottom + lane*len(rows)
	x := func(us float64) int { return left + int(us/last*float64(width-left-right)) }
	c := svg.New(w)
	c.Start(width, height)
	c.Rect(0, 0, width, height, "fill:white")
	c.Gstyle("font-family:sans-serif;font-size:11px;fill:#333")
	c.Text(left, 18, "Start of the CPUs: above the line what the boot CPU does, below it the CPU's own stages", "font-size:13px")
	for i := range 11 {
		us := last * float64(i) / 10
		c.Line(x(us), top-8, x(us), height-bottom+8, "stroke:#ddd")
		c.Text(x(us), height-bottom+24, fmt.Sprintf("%.1f", us/1000), "text-anchor:middle")
	}
	c.Text(width/2, height-16, "milliseconds from the first INIT", "text-anchor:middle")
	for i, r := range rows {
		y := top + lane*i + lane/2
		c.Text(8, y+4, fmt.Sprintf("cpu %d (id %d)", r.CPU, r.APICID))
		c.Line(left, y, width-right, y, "stroke:#bbb")
		for _, s := range r.Steps {
			c.Group()
			c.Title(fmt.Sprintf("%s, %.1f us", s.Name, s.Micros))
			if sent[s.Name] {
				c.Line(x(s.Micros), y-12, x(s.Micros), y, "stroke:#c33;stroke-width:2")
			} else {
				c.Line(x(s.Micros), y, x(s.Micros), y+12, "stroke:#36c;stroke-width:2")
			}
			c.Gend()
		}
		label(c, r, y, x)
	}
	c.Gend()
	c.End()
}

// label names the steps for which there is room.
func label(c *svg.SVG, r shell.BringUp, y int, x func(float64) int) {
	free := map[bool]int{}
	for _, s := range r.Steps {
		above := sent[s.Name]
		if at := x(s.Micros); at >= free[above] {
			dy := 20
			if above {
				dy = -13
			}
			c.Text(at+2, y+dy, s.Name, "font-size:9px")
			free[above] = at + 6*len(s.Name) + 6
		}
	}
}
