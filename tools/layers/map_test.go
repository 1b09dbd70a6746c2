package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table in the map is what the packages say; after a change of a comment it is not.
func TestMap(t *testing.T) {
	const root = "../.."
	require.NoError(t, writeMap(root, mapName, true))
	all, err := packages(root)
	require.NoError(t, err)
	page, err := os.ReadFile(root + "/" + mapName)
	require.NoError(t, err)
	same, err := mapPage(page, all)
	require.NoError(t, err)
	require.Equal(t, string(page), string(same))
	all["muster/kernel/ipi"].comment = "Package ipi does something else. And more."
	other, err := mapPage(page, all)
	require.NoError(t, err)
	require.Contains(t, string(other), "| `kernel/ipi` | core | does something else |\n")
	for name, p := range all {
		if p.layer == "core" || p.layer == "pure" || p.layer == "service" {
			require.NotEmpty(t, purpose(p), name)
			require.Contains(t, string(page), "| `"+strings.TrimPrefix(name, "muster/")+"` |")
		}
	}
	_, err = mapPage([]byte("no markers"), all)
	require.Error(t, err)
}
