package usb

import "time"

// pass lets the simulated time of a bubble of package synctest pass.
func pass(d time.Duration) { <-time.After(d) }
