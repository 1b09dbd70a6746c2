package shell

import (
	"context"
	"errors"
	"sync"
	"time"
)

// shared is what the sessions of a machine share, because there is one of it in the kernel.
type shared struct {
	mu       sync.Mutex
	busy     bool      // tests or benchmarks run
	recorder *recorder // between trace start and trace stop
	profiler *profiler // between profile start and profile stop
}

// errBusy is the error of test and bench while the other session runs one of them: each looks at
// counters of the whole kernel, and would see what the other does.
var errBusy = errors.New("tests or benchmarks run in another session")

// begin takes the machine for tests. It reports false if another session has it.
func (c *shared) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.busy
	c.busy = true
	return !was
}

// wait is begin that waits until the other session has ended. It reports false if ctx ended before.
func (c *shared) wait(ctx context.Context) bool {
	for !c.begin() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return true
}

func (c *shared) end() {
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
}
