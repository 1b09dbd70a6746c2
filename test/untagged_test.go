//go:build !qemu

package test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain stands in for the tests, all of which need the tag. go test adds "[no tests
// to run]" to its line; go test -v, and go test in this folder, print the text.
func TestMain(m *testing.M) {
	fmt.Println("Nothing was tested: these tests boot machines, and have the build tag qemu.\n" +
		"Run: make build debug iso && go test -tags qemu ./test")
	os.Exit(m.Run())
}
