package main

import (
	"go/token"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// Small packages with every kind of mistake, and with code that looks like one. The
// comments "want" in them are compared with what is found, and nothing else may be.
func TestCPURules(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), cpuAnalyzer,
		"muster/kernel/percpu", "muster/kernel/sched", "stale", "dropped", "hidden", "marks", "plain")
}

// locksAnalyzer is the check of comments in the form that analysistest takes.
var locksAnalyzer = &analysis.Analyzer{Name: "locks", Doc: "compare Locks comments with asserts",
	Run: func(pass *analysis.Pass) (any, error) {
		checkLocks(pass.Files, func(at token.Pos, text string) { pass.Reportf(at, "%s", text) })
		return nil, nil
	}}

func TestLocksRule(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), locksAnalyzer, "locks")
}
