// Command layers checks that core packages keep their rules.
//
// A package belongs to the layer that its comment names ("Layer: core."). The
// imports of core packages follow the order below. The linked kernel is
// disassembled: a core function may call the functions of core packages, and the
// listed functions of the runtime.
//
//	layers [-elf build/kernel.elf] [-map] [-check]
//
// With -map it writes the table of packages in docs/00-map.md, with -check it compares
// the table.
//
// Layer: host.
// Chapter: docs/03-hosting-go.md.
package main

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// order lists the core packages, lowest first: each imports only those before it.
var order = []string{
	"muster/kernel/layout", "muster/kernel/abi", "muster/kernel/memmap", "muster/kernel/cmdline", "muster/kernel/tree", "muster/kernel/wheel", "muster/kernel/list",
	"muster/kernel/cpu", "muster/kernel/oldcpu", "muster/kernel/mmio", "muster/kernel/atom", "muster/kernel/percpu",
	"muster/kernel/clock", "muster/kernel/vector", "muster/kernel/upcall", "muster/kernel/refs", "muster/kernel/lock",
	"muster/kernel/trace", "muster/kernel/symtab", "muster/kernel/fakeg", "muster/kernel/random", "muster/kernel/screen", "muster/kernel/persist", "muster/kernel/console", "muster/kernel/setting",
	"muster/kernel/apic", "muster/kernel/ipi", "muster/kernel/crash", "muster/kernel/cross",
	"muster/kernel/trap", "muster/kernel/mem", "muster/kernel/sched", "muster/kernel/profile", "muster/kernel/linux",
	"muster/boot", "muster/trampoline", "muster/kernel/cpus", "muster/kernel/intr",
	"muster/kernel/private", "muster/kernel/selftest", "muster/kernel/start",
}

// standard lists what core packages may import of the standard library.
var standard = []string{"unsafe", "sync/atomic", "math/bits"}

// atomicUsers may import sync/atomic; all others go through package atom, so
// that the explorer sees every operation.
var atomicUsers = map[string]string{
	"muster/kernel/atom": "wraps it",
	"muster/kernel/cpu":  "lies below atom",
	"muster/kernel/mem":  "page-table entries, which hardware writes too",
}

// pureForbidden lists packages that a pure package must not import: those with an
// operating system below them.
var pureForbidden = []string{"os", "net", "syscall", "os/exec", "io/ioutil"}

func main() {
	elfFile := flag.String("elf", "", "linked kernel to disassemble")
	root := flag.String("root", ".", "module root")
	table := flag.Bool("map", false, "write the table of packages in "+mapName)
	compare := flag.Bool("check", false, "compare the table of packages in "+mapName)
	flag.Parse()
	if *table || *compare {
		if err := writeMap(*root, mapName, *compare); err != nil {
			log.Fatal(err)
		}
	}
	findings, err := checkImports(*root)
	if err != nil {
		log.Fatal(err)
	}
	if *elfFile != "" {
		more, n, err := checkCalls(*elfFile, order, allowed)
		if err != nil {
			log.Fatal(err)
		}
		vectors, m, err := checkVectors(*elfFile, order)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("layers: %d calls and %d instructions of core functions checked\n", n, m)
		findings = append(append(findings, more...), vectors...)
	}
	for _, f := range findings {
		fmt.Fprintln(os.Stderr, "layers:", f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// mapName is the page with the table of packages.
const mapName = "docs/00-map.md"

var layerLine = regexp.MustCompile(`(?m)^Layer: (\w+)`)

// pkg is the part of a package that the check needs.
type pkg struct {
	path, layer string
	comment     string
	imports     map[string]string // path to file
}

// packages reads the packages of the module below dirs.
func packages(root string) (map[string]*pkg, error) {
	all := map[string]*pkg{}
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != root) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		p := path.Join("muster", filepath.ToSlash(rel))
		if all[p] == nil {
			all[p] = &pkg{path: p, imports: map[string]string{}}
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if m := layerLine.FindStringSubmatch(f.Doc.Text()); m != nil {
			all[p].layer, all[p].comment = m[1], f.Doc.Text()
		}
		for _, im := range f.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			all[p].imports[name] = file
		}
		return nil
	})
	return all, err
}

func checkImports(root string) (findings []string, err error) {
	all, err := packages(root)
	if err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	for _, name := range sorted(all) {
		p := all[name]
		switch p.layer {
		case "core":
			checkCore(p, say)
		case "pure":
			for im, file := range p.imports {
				if slices.Contains(pureForbidden, im) {
					say("%s: pure package %s imports %s", file, name, im)
				}
				if q := all[im]; q != nil && q.layer != "pure" && q.layer != "core" {
					say("%s: pure package %s imports %s package %s", file, name, q.layer, im)
				}
			}
		case "service", "host": // anything
		case "":
			if name != "muster/kernel" && !strings.HasPrefix(name, "muster/tools") && !strings.HasPrefix(name, "muster/test") {
				say("%s: its comment does not name a layer", name)
			}
		default:
			say("%s: unknown layer %q", name, p.layer)
		}
	}
	for _, name := range order {
		if all[name] == nil || all[name].layer != "core" {
			say("%s is in the order of core packages, but is not a core package", name)
		}
	}
	return findings, nil
}

func checkCore(p *pkg, say func(string, ...any)) {
	place := slices.Index(order, p.path)
	if place < 0 {
		say("%s: core package is not in the order", p.path)
		return
	}
	for im, file := range p.imports {
		switch {
		case im == "sync/atomic" && atomicUsers[p.path] == "":
			say("%s: imports sync/atomic; package atom has the types that the explorer drives", file)
		case slices.Contains(standard, im):
		case !strings.HasPrefix(im, "muster/"):
			say("%s: core package %s imports %s", file, p.path, im)
		case slices.Index(order, im) < 0 || slices.Index(order, im) >= place:
			say("%s: %s imports %s, which is not below it", file, p.path, im)
		}
	}
}

func sorted[T any](m map[string]T) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
