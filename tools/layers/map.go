package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/doc"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Markers of the table of packages in docs/00-map.md.
const (
	mapBegin = "<!-- layers: begin -->\n"
	mapEnd   = "<!-- layers: end -->\n"
)

// writeMap puts the table of packages into a page, between the markers; with compare set
// it writes nothing, and a page that would change is an error.
func writeMap(root, page string, compare bool) error {
	all, err := packages(root)
	if err != nil {
		return err
	}
	name := filepath.Join(root, page)
	have, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	want, err := mapPage(have, all)
	if err != nil || bytes.Equal(have, want) {
		return err
	}
	if compare {
		return fmt.Errorf("%s is not what the packages say: go run ./tools/layers -map", page)
	}
	return os.WriteFile(name, want, 0o644)
}

// mapPage returns the page with today's table: the packages with their first sentences,
// services and pure packages by name, and below them the core from the top down.
func mapPage(page []byte, all map[string]*pkg) ([]byte, error) {
	before, rest, ok := bytes.Cut(page, []byte(mapBegin))
	_, after, also := bytes.Cut(rest, []byte(mapEnd))
	if !ok || !also {
		return nil, errors.New("no markers for the table of packages")
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(mapBegin + "\n| folder | layer | what it is for |\n|---|---|---|\n")
	core := slices.Clone(order)
	slices.Reverse(core)
	for _, layer := range []string{"service", "pure", "core"} {
		names := core
		if layer != "core" {
			names = slices.DeleteFunc(sorted(all), func(n string) bool { return all[n].layer != layer })
		}
		for _, n := range names {
			p := all[n]
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.TrimPrefix(n, "muster/"), layer, purpose(p))
		}
	}
	b.WriteString("\n" + mapEnd)
	b.Write(after)
	return b.Bytes(), nil
}

// purpose returns the first sentence of a package's comment, without its beginning.
func purpose(p *pkg) string {
	first := new(doc.Package).Synopsis(p.comment)
	_, rest, _ := strings.Cut(strings.TrimPrefix(first, "Package "), " ")
	return strings.TrimSuffix(rest, ".")
}
