// Package mutants doubts the tests: small edits of the kernel's code, each of which
// makes it wrong, and the tests that have to notice.
//
// list_test.go has the edits. That each still names a line of today's code, and one
// alone, is checked with all tests; that each is noticed with -tags soak, where the
// edited file is overlaid on the tree (go help build, "-overlay") and the tests that are
// to fail run twice: on the tree as it is, where they have to pass, and on the mutant.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package mutants
