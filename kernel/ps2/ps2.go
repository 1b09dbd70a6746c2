// Package ps2 drives the PS/2 keyboard and its controller, the i8042: it finds and tests
// the controller in bounded time, and then reads keys by interrupts.
//
// Layer: pure.
// Context: one goroutine opens and serves a controller; SetLEDs may come from any.
// Locks: Controller.mu guards the commands to the keyboard.
// Manual: IBM PS/2 Technical Reference, "Keyboard and Auxiliary Device Controller" and
// "Keyboard (101- and 102-Key)"; Intel 8042 data sheet.
// Chapter: docs/13-devices.md.
// Left out: the mouse port, scancode set 3.
package ps2

import (
	"errors"
	"fmt"
	"time"

	"muster/kernel/keymap"
)

// Machine is the controller's two ports, and time.
type Machine interface {
	Status() uint8      // reads port 0x64
	Data() uint8        // reads port 0x60
	Command(code uint8) // writes port 0x64
	Send(v uint8)       // writes port 0x60
	Now() time.Time
	Sleep(time.Duration)
}

// Bits of the status.
//
// Source: IBM PS/2 Technical Reference, "Keyboard and Auxiliary Device Controller",
// "Status Register".
const (
	statusOut = 1 << 0 // Data has a byte
	statusIn  = 1 << 1 // the controller has not taken the last byte
	statusAux = 1 << 5 // the byte is from the mouse port
)

// Commands of the controller.
const (
	cmdReadConfig  = 0x20
	cmdWriteConfig = 0x60
	cmdAuxOff      = 0xa7
	cmdSelfTest    = 0xaa // answers selfTestGood
	cmdPortTest    = 0xab // answers 0
	cmdOff         = 0xad // the keyboard port
	cmdOn          = 0xae

	selfTestGood = 0x55
)

// Bits of the configuration.
const (
	configInterrupt    = 1 << 0
	configAuxInterrupt = 1 << 1
	configOff          = 1 << 4 // the keyboard's clock
	configAuxOff       = 1 << 5
	configTranslate    = 1 << 6 // scancode set 2 to set 1
)

// Limits on an idle machine. A real controller takes up to some tens of milliseconds, and
// most for its self-test.
const (
	limitAccept = 250 * time.Millisecond // for the controller to take a byte
	limitAnswer = 500 * time.Millisecond // for the controller to answer
	limitKeys   = 250 * time.Millisecond // for the keyboard to answer
	maxFlush    = 64                     // bytes that may wait before the controller was opened
)

// Errors of Open and Serve.
var (
	ErrAbsent = errors.New("no controller answers")
	ErrStuck  = errors.New("the controller has data without an end")
)

// Config says how to use the controller.
type Config struct {
	Scale int  // how much longer waits may take than on an idle machine; 0 is 1
	Set2  bool // without translation, even if the firmware left it on
}

// Controller is a controller that works.
type Controller struct {
	m      Machine
	cfg    Config
	config uint8 // its configuration
	tests  []string
	found  bool // a keyboard answered
	decode keymap.Decoder
	keys   *keymap.Keyboard
	commands
}

// Open finds the controller, tests it, and looks for a keyboard. Interrupts stay off. Each
// wait is bounded: altogether Open takes at most some seconds.
func Open(m Machine, cfg Config) (*Controller, error) {
	cfg.Scale = max(cfg.Scale, 1)
	c := &Controller{m: m, cfg: cfg}
	if m.Status() == 0xff {
		return nil, ErrAbsent
	}
	for _, step := range []func() error{c.quiet, c.selfTest, c.configure, c.portTest} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if err := c.command(cmdOn); err != nil {
		return nil, err
	}
	c.decode.Set2 = c.config&configTranslate == 0
	c.found = c.identify()
	return c, nil
}

// String says what was found.
func (c *Controller) String() string {
	s := "scancode set 1, translated"
	if c.decode.Set2 {
		s = "scancode set 2"
	}
	if !c.found {
		s += "; no keyboard answers, one may be plugged in later"
	}
	for _, t := range c.tests {
		s += "; " + t
	}
	return s
}

// wait polls until done, at most limit. The pauses become longer, so that a controller
// that never answers costs little.
func (c *Controller) wait(limit time.Duration, done func() bool) bool {
	end := c.m.Now().Add(limit * time.Duration(c.cfg.Scale))
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		if done() {
			return true
		}
		if c.m.Now().After(end) {
			return done()
		}
		c.m.Sleep(pause)
	}
}

func (c *Controller) accept() error {
	if !c.wait(limitAccept, func() bool { return c.m.Status()&statusIn == 0 }) {
		return errors.New("the controller does not take a byte")
	}
	return nil
}

func (c *Controller) command(code uint8) error {
	if err := c.accept(); err != nil {
		return err
	}
	c.m.Command(code)
	return nil
}

// send gives a byte to the keyboard, or to the controller after a command.
func (c *Controller) send(v uint8) error {
	if err := c.accept(); err != nil {
		return err
	}
	c.m.Send(v)
	return nil
}

// receive waits for a byte that is not the mouse's.
func (c *Controller) receive(limit time.Duration) (v uint8, err error) {
	for range maxFlush {
		if !c.wait(limit, func() bool { return c.m.Status()&statusOut != 0 }) {
			return 0, errors.New("no answer")
		}
		aux := c.m.Status()&statusAux != 0
		v = c.m.Data()
		if !aux {
			return v, nil
		}
	}
	return 0, ErrStuck
}

// query gives the controller a command, and returns its answer. The keyboard's port is off: query throws
// away a key that was on its way when the port was turned off.
func (c *Controller) query(code uint8) (uint8, error) {
	if err := c.accept(); err != nil {
		return 0, err
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	c.m.Command(code)
	v, err := c.receive(limitAnswer)
	if err != nil {
		err = fmt.Errorf("command %#x: %w", code, err)
	}
	return v, err
}

// quiet stops both ports, and throws away what waits.
func (c *Controller) quiet() error {
	if err := c.command(cmdOff); err != nil {
		return err
	}
	if err := c.command(cmdAuxOff); err != nil {
		return err
	}
	return c.flush()
}

func (c *Controller) flush() error {
	for range maxFlush {
		if c.m.Status()&statusOut == 0 {
			return nil
		}
		c.m.Data()
	}
	return ErrStuck
}

// selfTest runs the controller's test. A wrong result is reported, and does not end the
// use of the controller: some firmware emulates it badly, and the keyboard then works.
func (c *Controller) selfTest() error {
	before, err := c.query(cmdReadConfig)
	if err != nil {
		return err
	}
	v, err := c.query(cmdSelfTest)
	if err != nil {
		return err
	}
	if v != selfTestGood {
		c.tests = append(c.tests, fmt.Sprintf("the self-test answered %#x", v))
	}
	c.config = before // the test may have changed it
	return nil
}

// configure turns interrupts off, and translation off if it is to be. It keeps what the
// controller then says: some have no other form than the translated one. The keyboard's port stays off, or
// query would take the code of a pressed key for the controller's answer.
func (c *Controller) configure() error {
	want := c.config&^(configInterrupt|configAuxInterrupt) | configOff | configAuxOff
	if c.cfg.Set2 {
		want &^= configTranslate
	}
	if err := c.writeConfig(want); err != nil {
		return err
	}
	got, err := c.query(cmdReadConfig)
	if err != nil {
		return err
	}
	if (got^want)&(configInterrupt|configAuxInterrupt) != 0 {
		return fmt.Errorf("the configuration reads %#x after %#x was written", got, want)
	}
	c.config = got &^ configOff
	return nil
}

func (c *Controller) writeConfig(v uint8) error {
	if err := c.command(cmdWriteConfig); err != nil {
		return err
	}
	return c.send(v)
}

// portTest tests the lines to the keyboard.
func (c *Controller) portTest() error {
	v, err := c.query(cmdPortTest)
	if err != nil {
		return err
	}
	if v != 0 {
		c.tests = append(c.tests, fmt.Sprintf("the port test answered %#x", v))
	}
	return nil
}

// Start turns the keyboard and its interrupt on. From then on Serve must run.
func (c *Controller) Start(b *keymap.Board) error {
	c.keys = b.Attach(c.SetLEDs)
	c.config = c.config&^configOff | configInterrupt
	if err := c.writeConfig(c.config); err != nil {
		return err
	}
	c.setUp()
	if c.found {
		c.keys.Present()
	}
	return nil
}

// maxBurst is more than a keyboard and its controller can hold.
const maxBurst = 1024

// Serve reads keys. wait returns when there was an interrupt since its last call. Serve
// returns the error of wait, or ErrStuck, after which the controller's interrupt is off.
func (c *Controller) Serve(wait func() error) error {
	for {
		if err := c.drain(); err != nil {
			c.keys.Detach()
			c.writeConfig(c.config &^ configInterrupt)
			return err
		}
		if err := wait(); err != nil {
			c.keys.Detach()
			return err
		}
	}
}

// drain takes all bytes that wait.
func (c *Controller) drain() error {
	for range maxBurst {
		s := c.m.Status()
		if s&statusOut == 0 {
			return nil
		}
		v := c.m.Data()
		if s&statusAux == 0 {
			c.take(v)
		}
	}
	return ErrStuck
}
