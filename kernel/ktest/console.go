package ktest

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"muster/kernel/klog"
)

// Lines of the test of the console: each writer writes some, each with one write(2).
const (
	ConsoleWriters = 4
	ConsoleLines   = 50
	ConsoleLine    = 1000 // bytes
)

// wholeLines writes lines to the console by system calls of several threads, while log
// lines are printed. Whether the lines came out whole is seen at the other end of the
// serial port, and checked there.
func wholeLines(_ context.Context) error {
	var done atomic.Uint32
	return parallel(ConsoleWriters+1, func(w int) error {
		if w == ConsoleWriters {
			for i := 0; done.Load() < ConsoleWriters; i++ {
				klog.Infof("ktest: log line %d beside the console's", i)
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		defer done.Add(1)
		for i := range ConsoleLines {
			head := fmt.Sprintf("writer %d line %d ", w, i)
			p := append([]byte(head), bytes.Repeat([]byte{byte('a' + i%26)}, ConsoleLine-len(head)-1)...)
			if err := writeAll(append(p, '\n')); err != nil {
				return err
			}
			if i%2 == 0 {
				time.Sleep(10 * time.Millisecond) // the log drops a line while the ring is full
			}
		}
		return nil
	})
}

// writeAll makes one write(2). A short one is an error: the call is made again only
// if a signal ended it before the first byte.
func writeAll(p []byte) error {
	for {
		n, err := syscall.Write(1, p)
		switch {
		case err == syscall.EINTR:
		case err != nil || n != len(p):
			return fmt.Errorf("write of %d bytes: %d, %v", len(p), n, err)
		default:
			return nil
		}
	}
}
