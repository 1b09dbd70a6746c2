// Command args prints what a program is given, and ends with status 3.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	for i, a := range os.Args {
		fmt.Printf("arg %d %q\n", i, a)
	}
	for i, e := range os.Environ() {
		fmt.Printf("env %d %q\n", i, e)
	}
	fmt.Printf("cpus %d\n", runtime.NumCPU())
	os.Exit(3)
}
