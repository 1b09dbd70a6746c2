package main

import (
	"time"

	"muster/kernel/kcall"
)

// keepTime makes the timekeeper compare the clock with its reference, as often as the core says. It
// ends if there is no reference.
func keepTime() {
	for {
		k := kcall.KeepTime(true)
		if k.NextNS == 0 {
			return
		}
		time.Sleep(time.Duration(k.NextNS))
	}
}
