// Command profile boots the kernel in QEMU, samples what all CPUs execute while commands of
// the shell or a program in ring 3 run, and writes a file for go tool pprof.
//
//	profile [-cpus 4] [-rate 97] [-o build/profile.pb.gz] -run 'test threads'
//	profile [-app PROGRAM] -run 'app NAME ARGUMENTS'
//
// Layer: host.
// Chapter: docs/15-debugging.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"muster/kernel/shell"
	"muster/tools/patience"
	"muster/tools/profile/convert"
)

func main() {
	cpus := flag.Int("cpus", 4, "CPUs of the machine")
	rate := flag.String("rate", "97", "samples a second, of each CPU")
	out := flag.String("o", "build/profile.pb.gz", "file to write")
	run := flag.String("run", "test threads", "commands that are sampled")
	app := flag.String("app", "", "a static Linux program, for the command app")
	kernel := flag.String("kernel", "build/kernel.elf", "kernel")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("profile: ")
	hz, err := strconv.Atoi(*rate)
	if err != nil {
		log.Fatalf("RATE=%s: not a number of samples a second", *rate)
	}
	if err := record(*out, *kernel, *app, *run, *cpus, hz); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("wrote %s; open it with one of\n  go tool pprof -top %s\n  go tool pprof -http=:8080 %s\n", *out, *out, *out)
}

// record boots, samples, and writes the file.
func record(out, kernel, app, run string, cpus, rate int) error {
	symbols, err := convert.Open(kernel)
	if err != nil {
		return err
	}
	var program *convert.Symbols
	if app != "" {
		if _, err := os.Stat(app); err != nil {
			return err
		}
		if program, err = convert.Open(app); err != nil {
			log.Printf("%s: no names: %v", app, err)
		}
	}
	text, err := output(kernel, app, fmt.Sprintf("profile start %d; %s; profile stop -json", rate, run), cpus)
	if err != nil {
		return err
	}
	p, err := convert.Read(text)
	if err != nil {
		return err
	}
	report(p)
	profile, err := convert.To(p, symbols, program)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := profile.Write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// report says how many samples there are, and how many there are not.
func report(p shell.Profile) {
	n := 0
	for _, s := range p.Stacks {
		n += s.Count
	}
	fmt.Printf("%d samples of %d CPUs, %d a second of each, in %.1f s; %d lost, %d missed, %d dropped\n",
		n, p.CPUs, p.Rate, float64(p.SpanNS)/1e9, p.Lost, p.Missed, p.Dropped)
}

// output boots, runs commands, and returns what the console shows after the last of them.
func output(kernel, app, commands string, cpus int) (string, error) {
	args := []string{"--boot", "pvh", "--cpus", strconv.Itoa(cpus), "--mem", "1024", "--timeout", "300", "--kernel", kernel, "--run", commands}
	if app != "" {
		args = append(args, "--qemu", "-initrd "+app)
	}
	cmd := patience.Command(context.Background(), "scripts/qemu-run.sh", args...)
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s\nno profile, the commands or the machine failed: %w", text, err)
	}
	last := commands[strings.LastIndex(commands, "; ")+2:]
	_, after, ok := strings.Cut(strings.ReplaceAll(string(text), "\r", ""), "muster> "+last+"\n")
	if !ok {
		return "", fmt.Errorf("%q was not run:\n%s", last, text)
	}
	return after, nil
}
