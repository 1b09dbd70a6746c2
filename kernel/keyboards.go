package main

import (
	"io"
	"time"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/input"
	"muster/kernel/irq"
	"muster/kernel/keymap"
	"muster/kernel/klog"
	"muster/kernel/options"
	"muster/kernel/ps2"
)

// keyboards begins to look for keyboards, and returns what is typed on them.
func (m *hardware) keyboards(opts options.Options) io.Reader {
	q := input.NewQueue()
	b := keymap.NewBoard(keymap.Find(opts.Layout))
	b.Out, b.Restart, b.Found = q.Add, m.reset, m.keyboard.set
	go m.serveKeyboards(opts, b)
	go stayAwake()
	return q
}

// stayAwake keeps a timer. On a machine with neither a serial port nor a keyboard each
// goroutine waits for another one without end, and the Go runtime ends a program for that.
func stayAwake() {
	for {
		time.Sleep(time.Hour)
	}
}

// serveKeyboards takes the controllers of USB over from the firmware first: as long as the
// firmware uses them, it may act as a PS/2 controller too.
func (m *hardware) serveKeyboards(opts options.Options, b *keymap.Board) {
	controllers := m.takeOverUSB(opts)
	go m.servePS2(opts, b)
	for _, c := range controllers {
		go c.serve(opts, b)
	}
}

// ps2Interrupt is the keyboard's ISA interrupt.
const ps2Interrupt = 1

// servePS2 serves the PS/2 keyboard for as long as the machine runs.
func (m *hardware) servePS2(opts options.Options, b *keymap.Board) {
	switch {
	case opts.PS2 == "off":
		return
	case m.fadt != nil && m.fadt.No8042():
		klog.Infof("ps2: not used: the firmware says that there is no controller")
		return
	}
	c, err := ps2.Open(ps2Ports{}, ps2.Config{Scale: opts.Scale, Set2: opts.PS2 == "set2"})
	if err != nil {
		klog.Infof("ps2: not used: %v", err)
		return
	}
	wait := poll
	if event, err := irq.Bind("PS/2 keyboard", m.isa(ps2Interrupt), abi.ActionEvent); err == nil {
		wait = event.Wait
	} else {
		klog.Warnf("ps2: no interrupt of the keyboard, it is polled: %v", err)
	}
	if err := c.Start(b); err != nil {
		klog.Errorf("ps2: not used: %v", err)
		return
	}
	klog.Infof("ps2: keyboard, layout %s, %v", opts.Layout, c)
	klog.Errorf("ps2: no longer used: %v", c.Serve(wait))
}

// poll waits 10 ms. The controller and the keyboard hold more bytes than a person types in that time.
func poll() error {
	time.Sleep(10 * time.Millisecond)
	return nil
}

// ps2Ports is the controller of a PC.
type ps2Ports struct{}

const (
	portData   = 0x60
	portStatus = 0x64 // to write, commands
)

func (ps2Ports) Status() uint8         { return cpu.In8(portStatus) }
func (ps2Ports) Data() uint8           { return cpu.In8(portData) }
func (ps2Ports) Command(code uint8)    { cpu.Out8(portStatus, code) }
func (ps2Ports) Send(v uint8)          { cpu.Out8(portData, v) }
func (ps2Ports) Now() time.Time        { return time.Now() }
func (ps2Ports) Sleep(d time.Duration) { time.Sleep(d) }
