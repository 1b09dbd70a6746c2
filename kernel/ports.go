package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/options"
)

// ports gives programs the serial ports that the command line names: one for descriptors
// 0 and 1, and one for what the other end says about them. It returns what the second
// receives, nil without it. If a port cannot be used, programs have the console.
func (m *hardware) ports(opts options.Options) (words io.Reader) {
	if opts.Stdio.Base == 0 {
		return nil
	}
	event, err := m.openPort(abi.PortStdio, abi.ActionStdio, opts.Stdio)
	if err != nil {
		klog.Errorf("app: no port for standard input and output: %v; they are the console", err)
		return nil
	}
	go func() {
		for event.Wait() == nil {
			kcall.PortsChanged()
		}
	}()
	if opts.Control.Base != 0 {
		event, err := m.openPort(abi.PortControl, abi.ActionControl, opts.Control)
		if err != nil {
			klog.Errorf("app: no control port: %v; standard input has no end, and nothing sends signals", err)
		} else {
			words = &controlPort{event}
		}
	}
	kcall.UsePorts(opts.OwnErrs)
	return words
}

// openPort opens a port and routes its interrupt.
func (m *hardware) openPort(port int, action uint32, p options.Port) (*irq.Event, error) {
	if err := kcall.OpenPort(port, uint64(p.Base)); err != nil {
		return nil, fmt.Errorf("no UART at %#x: %w", p.Base, err)
	}
	return irq.Bind(fmt.Sprintf("port %#x", p.Base), m.isa(p.IRQ), action)
}

// controlPort is the receiving side of the control port.
type controlPort struct{ event *irq.Event }

// Read returns received bytes, and waits while there are none.
func (p *controlPort) Read(b []byte) (int, error) {
	for {
		if n := kcall.ControlRead(b); n > 0 {
			return n, nil
		}
		if err := p.event.Wait(); err != nil {
			return 0, err
		}
		kcall.PortsChanged()
	}
}

// obey does what the other end of the control port says, a word on each line.
func obey(words io.Reader) {
	lines := bufio.NewScanner(words)
	for lines.Scan() {
		if err := control(lines.Text()); err != nil {
			klog.Warnf("app: control port: %q: %v", lines.Text(), err)
		}
	}
	klog.Errorf("app: control port: %v", lines.Err())
}

// control obeys one line: "int" and "quit" are the keyboard's signals, "eof N" ends standard
// input after N bytes in all, "closed" says that nothing reads standard output.
func control(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "int":
		return kcall.SignalForeground(int(syscall.SIGINT))
	case "quit":
		return kcall.SignalForeground(int(syscall.SIGQUIT))
	case "eof":
		n, err := strconv.ParseUint(rest, 10, 64)
		if err == nil {
			kcall.EndInput(n)
		}
		return err
	case "closed":
		kcall.CloseOutput()
		return nil
	}
	return fmt.Errorf("unknown word")
}

// watchKeys sends the program the signals of the keyboard: control-C and control-backslash.
// It is for a machine without a control port. The program does not get the other keys.
func watchKeys(keys io.Reader) {
	buf := make([]byte, 64)
	for {
		n, err := keys.Read(buf)
		if err != nil {
			klog.Errorf("app: keyboard: %v", err)
			return
		}
		for _, b := range buf[:n] {
			switch b {
			case 'C' - '@':
				kcall.SignalForeground(int(syscall.SIGINT))
			case '\\' - '@':
				kcall.SignalForeground(int(syscall.SIGQUIT))
			}
		}
	}
}

// drain waits until the other end has taken all that programs wrote. That takes as long as
// the other end takes.
func drain() { drainFor(math.MaxInt64) }

// drainFor is drain with a limit.
func drainFor(limit time.Duration) {
	for began := time.Now(); kcall.Unsent() > 0 && time.Since(began) < limit; {
		time.Sleep(time.Millisecond)
	}
}
