package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// hidden is a test that knows its memory by an address alone, unless the end of the test keeps it alive.
const hidden = `package hidden

import (
	"runtime"
	"testing"
	"unsafe"
)

var heap *[64]byte

func TestHidden(t *testing.T) {
	memory := new([64]byte)
	heap, memory[0] = memory, 7
	heap = nil
	at := uintptr(unsafe.Pointer(memory))
	var now runtime.MemStats
	for now.NumGC < 20 {
		runtime.ReadMemStats(&now)
	}
	if v := *(*byte)(unsafe.Pointer(at)); v != 7 {
		t.Fatalf("%%#x", v)
	}
	%s
}
`

// A test whose memory the collector frees fails; one that keeps it alive passes.
func TestStress(t *testing.T) {
	for keep, fails := range map[string]bool{"": true, "runtime.KeepAlive(memory)": false} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module hidden\n\ngo 1.25\n"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "hidden.go"), []byte("package hidden\n"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "hidden_test.go"), fmt.Appendf(nil, hidden, keep), 0o644))
		var out bytes.Buffer
		err := stress(&out, dir, "", 1, []string{"."})
		require.Equal(t, fails, err != nil, out.String())
		if fails {
			require.Contains(t, out.String(), "hidden_test.go", "by the test's own comparison")
		}
	}
	require.ErrorContains(t, stress(&bytes.Buffer{}, t.TempDir(), "", 1, []string{"./nothing"}), "go list")
}
