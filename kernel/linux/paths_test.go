package linux

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScanName(t *testing.T) {
	for name, want := range map[string]pathName{
		"":                {},
		"/":               {bytes: 1, absolute: true},
		"///":             {bytes: 3, absolute: true},
		".":               {bytes: 1},
		"/../.":           {bytes: 5, absolute: true},
		"x":               {bytes: 1, parts: 1},
		"/x/":             {bytes: 3, absolute: true, parts: 1},
		"/./x":            {bytes: 4, absolute: true, parts: 1},
		".x":              {bytes: 2, parts: 1},
		"...":             {bytes: 3, parts: 1},
		"x/..":            {bytes: 4, parts: 2},
		"/a/b/c":          {bytes: 6, absolute: true, parts: 2},
		"/a\x00b/never/c": {bytes: 2, absolute: true, parts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			for step := 1; step <= len(name)+1; step++ { // a name comes in pieces
				var n pathName
				b := []byte(name + "\x00")
				for ended := false; !ended; {
					piece := b[:min(step, len(b))]
					ended = n.scan(piece)
					b = b[len(piece):]
				}
				require.Equal(t, want, n)
			}
		})
	}
}
