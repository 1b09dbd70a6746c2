package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// The drawing is valid XML and has every step.
func TestDraw(t *testing.T) {
	var out bytes.Buffer
	draw(&out, []shell.BringUp{
		{CPU: 1, APICID: 2, Steps: []shell.Step{{Name: "INIT"}, {Name: "RealMode16", Micros: 120.5}, {Name: "seen ready", Micros: 300}}},
		{CPU: 2, APICID: 4, Steps: []shell.Step{{Name: "INIT", Micros: 3}}},
	})
	d := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	titles := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "title" {
			titles++
		}
	}
	require.Equal(t, 4, titles)
	require.Contains(t, out.String(), "cpu 2 (id 4)")
	require.Contains(t, out.String(), "RealMode16, 120.5 us")
}
