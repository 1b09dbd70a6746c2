// Package patience scales the waits of tests and tools with the host.
//
// A test that waits ten seconds is right on the machine where it was written, and
// wrong on one that is slower or has other work. Each wait therefore names its limit
// for an idle machine, and For multiplies it by what this host needs. Package main of
// tools/waits finds a wait that does not go through For.
//
// Layer: host tests, and tools that start machines.
// Chapter: docs/12-shell-and-tests.md.
package patience

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Variable names the environment variable that sets the factor. The scripts that
// start machines read it too.
const Variable = "MUSTER_SLOW"

const (
	turns     = 4_000_000            // of the loop that is timed
	reference = 9 * time.Millisecond // what they take on an idle core of 2 GHz
	times     = 5                    // it is timed; the median counts
	most      = 8.0                  // a factor above it would hide that the host is stuck
	lasts     = 10 * time.Second     // how long a measurement is believed
)

// For returns the limit of a wait that takes at most d on an idle machine.
func For(d time.Duration) time.Duration { return time.Duration(float64(d) * Factor()) }

// Fixed returns a duration that limits nothing: how long a test does something to
// a machine whose own limits do not grow with the host.
func Fixed(d time.Duration) time.Duration { return d }

// Env returns the assignment that hands the factor to a script, rounded up to a power
// of two: it becomes part of the kernel's command line, and images are kept by that.
func Env() string { return fmt.Sprintf("%s=%d", Variable, power(Factor())) }

func power(factor float64) int {
	n := 1
	for float64(n) < factor {
		n *= 2
	}
	return n
}

// Command is exec.CommandContext for the scripts that start machines: the script
// multiplies its own limits by the factor.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), Env())
	return cmd
}

var measured struct {
	sync.Mutex
	at     time.Time
	factor float64
}

// Factor says how many times slower than an idle machine this host is now, from 1 to 8.
// MUSTER_SLOW, a whole number, stands in place of the measurement. The factor
// never falls while the process runs: load that was there comes back.
func Factor() float64 {
	if v, ok := given(os.Getenv(Variable)); ok {
		return v
	}
	measured.Lock()
	defer measured.Unlock()
	if now := time.Now(); measured.at.IsZero() || now.Sub(measured.at) > lasts {
		measured.factor = max(measured.factor, bounded(loop()))
		measured.at = time.Now()
	}
	return measured.factor
}

// given reads the variable; what is no whole number from 1 to 1000 counts as absent.
func given(value string) (factor float64, ok bool) {
	v, err := strconv.Atoi(value)
	return float64(v), err == nil && v >= 1 && v <= 1000
}

// bounded makes a factor of what the loop took. The system's load average would be no
// help: the machines of the tests before this one are still in it.
func bounded(took time.Duration) float64 {
	return min(max(float64(took)/float64(reference), 1), most)
}

// loop returns how long a fixed computation takes while each CPU of the host makes it.
func loop() time.Duration {
	var took []time.Duration
	for range times {
		began := time.Now()
		var wg sync.WaitGroup
		for range runtime.NumCPU() {
			wg.Go(func() { sink(spin(turns)) })
		}
		wg.Wait()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[times/2]
}

// spin is a chain of multiplications: each needs the result of the one before.
func spin(n int) (x uint64) {
	for range n {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func sink(uint64) {}
