package main

import (
	"errors"
	"syscall"

	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
)

// draw starts the goroutine that draws the text on the screen. The core wakes it on a tick
// of the boot CPU, so the screen follows the text at the rate of the ticks. It reports whether
// there is a screen.
func draw() (hasScreen bool) {
	e, err := irq.Open("screen", kcall.UseDrawer)
	if errors.Is(err, syscall.ENODEV) {
		return false
	}
	if err != nil {
		klog.Errorf("screen: nothing draws: %v", err)
		return true
	}
	go func() {
		for e.Wait() == nil {
			for kcall.DrawScreen() != 0 {
			}
		}
	}()
	return true
}
