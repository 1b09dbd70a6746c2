package main

import (
	"log"
	"os"
	"regexp"
	"strings"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/ssa"
)

// symbol matches a reference in assembly: a package path with "∕" for "/", or none for
// the file's own package, a middle dot, and the name.
var symbol = regexp.MustCompile(`([\w∕.]*)·(\w+)(?:<[^>]*>)?(?:\+\d+)?\(SB\)`)

// fromAssembly returns the Go functions that the assembly files of a package name.
func fromAssembly(p *packages.Package, own *ssa.Package) (roots []*ssa.Function) {
	for _, file := range p.OtherFiles {
		if !strings.HasSuffix(file, ".s") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		for path, names := range references(string(text)) {
			s := own
			if path != "" {
				if s = own.Prog.ImportedPackage(path); s == nil {
					continue // of a package that this program does not have
				}
			}
			for name := range names {
				if f := s.Func(name); f != nil {
					roots = append(roots, f)
				}
			}
		}
	}
	return roots
}

// references returns the names in an assembly file, by package path; "" is its own.
func references(text string) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		if strings.HasPrefix(line, "TEXT") || strings.HasPrefix(line, "GLOBL") {
			continue // defines the symbol
		}
		for _, m := range symbol.FindAllStringSubmatch(line, -1) {
			path := strings.ReplaceAll(m[1], "∕", "/")
			if all[path] == nil {
				all[path] = map[string]bool{}
			}
			all[path][m[2]] = true
		}
	}
	return all
}
