// Command profile takes a CPU profile of itself by runtime/pprof, unmodified, and
// looks whether the profile says what the program did: most samples are in the function
// that computes, and none in the one that sleeps. It runs on Linux and on Muster alike.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"sync"
	"time"
)

var sink uint64

// hot computes for a while.
//
//go:noinline
func hot(d time.Duration) {
	x := uint64(1)
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 100000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
	sink += x
}

// cold sleeps meanwhile.
//
//go:noinline
func cold(d time.Duration) { time.Sleep(d) }

func main() {
	var out bytes.Buffer
	check(pprof.StartCPUProfile(&out))
	const span = 1500 * time.Millisecond
	var wg sync.WaitGroup
	wg.Go(func() { hot(span) })
	wg.Go(func() { hot(span) })
	wg.Go(func() { cold(span) })
	wg.Wait()
	pprof.StopCPUProfile()

	in, err := gzip.NewReader(&out)
	check(err)
	raw, err := io.ReadAll(in)
	check(err)
	p := decode(raw)
	total, inHot, inCold := p.count("main.hot", "main.cold")
	fmt.Fprintln(os.Stderr, "profile:", total, "samples,", inHot, "in hot,", inCold, "in cold")
	fmt.Println("profile: enough samples:", total >= 30)
	fmt.Println("profile: most are in hot:", inHot*10 >= total*7)
	fmt.Println("profile: none is in cold:", inCold == 0)
}

func check(err error) {
	if err != nil {
		fmt.Println("profile:", err)
		os.Exit(1)
	}
}
