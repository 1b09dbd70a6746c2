package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The font in the tree is what the generator makes of the package today.
func TestFontIsCurrent(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	have, err := os.ReadFile("../../kernel/screen/font_gen.go")
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), "go run ./tools/genfont")
}
