package xhci

import (
	"testing/synctest"
	"time"
)

// pass lets time pass in a bubble, and waits until every goroutine of it waits. So the
// test may read what they wrote.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
