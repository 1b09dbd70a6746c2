package main

import (
	"sync"
	"time"

	"muster/kernel/klog"
	"muster/kernel/ktest"
	"muster/kernel/options"
	"muster/kernel/screen"
	"muster/kernel/shell"
)

// keyboardWait is how long the status screen waits for a keyboard to be found. A keyboard that comes
// later, on a slow host too, ends the status screen.
const keyboardWait = 2 * time.Second

// partLimit is far more than a part of the demonstration takes on any machine.
const partLimit = 60 * time.Second

// found is closed when there is a keyboard.
type found struct {
	once sync.Once
	ch   chan struct{}
}

func (f *found) set() { f.once.Do(func() { close(f.ch) }) }

// statusScreen reports whether there is a status screen before the first prompt, and returns what it
// shows. status=auto has one if there is a screen, but no serial port and, for keyboardWait, no keyboard.
func (m *hardware) statusScreen(opts options.Options, hasScreen, hasPort bool) (st shell.Status, ok bool) {
	st = shell.Status{Cols: screen.TextCols, Rows: screen.TextRows, Limit: partLimit * time.Duration(opts.Scale),
		Tests: ktest.Demonstration(opts.Faults.Demo), Report: reportDemonstration}
	if f := &m.boot.Framebuffer; hasScreen && !hasPort && f.Kind == screen.KindPixels {
		mode := screen.Pixels(f)
		st.Cols, st.Rows = mode.Size()
	}
	if opts.Status == "auto" {
		st.Keyboard, st.Wait = m.keyboard.ch, keyboardWait
	}
	return st, opts.Status == "on" || opts.Status == "auto" && hasScreen && !hasPort
}

func reportDemonstration(failure error) {
	if failure != nil {
		klog.Errorf("status: the demonstration failed: %v", failure)
		return
	}
	klog.Infof("status: the demonstration passed")
}
