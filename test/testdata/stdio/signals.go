package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// kill ends the program by SIGKILL.
func kill([]string) {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// signals waits for SIGINT, and ends with status 5.
func signals([]string) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT)
	say("waiting")
	<-c
	say("interrupted")
	os.Exit(5)
}

// wait does nothing until a signal ends the program.
func wait([]string) {
	say("waiting")
	for {
		time.Sleep(time.Hour)
	}
}

// deaf goes on after SIGINT.
func deaf([]string) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT)
	say("waiting")
	for range c {
		say("heard it")
	}
}

// stuck STATUS ends the program while its threads wait in writes that nothing reads, and
// in reads of an input that does not come.
func stuck(args []string) {
	for range 4 {
		go func() {
			for {
				writeAll(1, make([]byte, 5000))
			}
		}()
		go func() {
			syscall.Read(0, make([]byte, 1))
			fail("a read ended")
		}()
	}
	time.Sleep(3 * time.Second)
	say("ending")
	os.Exit(number(args[0]))
}
