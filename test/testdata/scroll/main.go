// Command scroll clears the console, which is its standard error, several times, writes
// lines to it, says on standard output how long these took, and ends with its input.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for range 10 { // each time after nearly as much text as one step may take
		os.Stderr.WriteString(strings.Repeat("x", 640) + "\x1b[2J")
	}
	os.Stderr.WriteString("\x1b[H")
	out := bufio.NewWriterSize(os.Stderr, 80)
	began := time.Now()
	for i := range n {
		fmt.Fprintf(out, "line %d %s\n", i, strings.Repeat("the quick brown fox ", i%4))
	}
	out.Flush()
	fmt.Printf("scroll: %d ns\n", time.Since(began).Nanoseconds())
	io.Copy(io.Discard, os.Stdin)
}
