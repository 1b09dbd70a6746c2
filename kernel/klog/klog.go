// Package klog writes lines to the kernel log from ordinary Go.
//
// Layer: service.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/02-black-box.md.
package klog

import (
	"fmt"

	"muster/kernel/console"
	"muster/kernel/kcall"
)

// Errorf logs a failure after which the kernel goes on.
func Errorf(format string, args ...any) { log(console.Error, format, args) }

// Warnf logs something unusual.
func Warnf(format string, args ...any) { log(console.Warning, format, args) }

// Infof logs progress.
func Infof(format string, args ...any) { log(console.Info, format, args) }

func log(level console.Level, format string, args []any) {
	kcall.Log(int(level), fmt.Sprintf(format, args...))
}
