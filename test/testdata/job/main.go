// Command job says that it runs, waits for a signal, and says which: status 5 for SIGINT,
// 6 for SIGTERM. With the argument "now" it ends at once, with status 0.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	name := strings.Join(os.Args[1:], " ")
	if name == "now" {
		fmt.Println("job now: done")
		return
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	fmt.Printf("job %s: ready\n", name)
	s := <-c
	fmt.Printf("job %s: %v\n", name, s)
	if s == syscall.SIGINT {
		os.Exit(5)
	}
	os.Exit(6)
}
