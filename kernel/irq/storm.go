package irq

import (
	"sync"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
)

// pollPeriod is how often the driver of a stuck line is called: as often as a keyboard or a
// serial port is polled that has no interrupt.
const pollPeriod = 10 * time.Millisecond

// startWatch starts, with the first line, the goroutine that polls for lines that have
// become stuck.
var startWatch = sync.OnceFunc(func() {
	e, err := Open("storms", kcall.WatchStorms)
	if err != nil {
		klog.Errorf("irq: lines that become stuck are not polled: %v", err)
		return
	}
	go func() {
		for e.Wait() == nil {
			for lines.pollStuck(kcall.PollIRQ) {
				time.Sleep(pollPeriod)
			}
		}
	}()
})

// pollStuck polls all stuck lines once, and reports whether there are any.
func (t *table) pollStuck(poll func(line int) error) (some bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.list {
		if i, err := t.core.Info(l.id); err == nil && i.Flags&abi.IRQStuck != 0 {
			some = poll(l.id) == nil || some
		}
	}
	return some
}

// Resume lets a line that has become stuck interrupt again.
func Resume(label string) error { return lines.resume(label, kcall.ResumeIRQ) }

func (t *table) resume(label string, resume func(line int) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, err := t.find(label)
	if err != nil {
		return err
	}
	if resume(l.id) != nil {
		return errNotStuck
	}
	return nil
}
