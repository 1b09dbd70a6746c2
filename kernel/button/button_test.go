package button

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/acpi"
)

// fake is a machine with the registers of QEMU's, and with simulated time.
type fake struct {
	now     time.Time
	regs    map[uint64]uint16 // by address
	stuck   uint16            // status bits that a write does not clear
	mode    time.Duration     // from the request until ACPI mode, -1: never
	asked   time.Time         // when the request came
	gone    bool              // each register reads ones
	enabled map[uint64]uint16 // written to enable registers of 1 byte
}

const (
	status, enable  = 0x600, 0x602
	statusB         = 0x700
	control, smi    = 0x604, 0xb2
	gpeEnable       = 0x622
	others          = 1 << 0 // the timer's bit, which raises the interrupt too where it is enabled
	firmwareEnabled = pressed | others
)

var began = time.Unix(0, 0)

func table() *acpi.FADT {
	return &acpi.FADT{SCI: 9, PM1aEvent: status, PM1bEvent: statusB, PM1EventLen: 4, PM1aControl: control, PM1CtlLen: 2,
		SMICommand: smi, ACPIEnable: 2, GPE0: 0x620, GPE0Len: 4}
}

func machine() *fake {
	return &fake{now: began, regs: map[uint64]uint16{status: pressed, enable: firmwareEnabled}, enabled: map[uint64]uint16{gpeEnable: 0xff, gpeEnable + 1: 0xff}}
}

func (f *fake) Read(g acpi.GAS, _ int) uint16 {
	switch {
	case f.gone && g.Address != control:
		return absent
	case g.Address == control && !f.asked.IsZero() && f.mode >= 0 && f.now.Sub(f.asked) >= f.mode:
		f.regs[control] = sciEnable
	}
	return f.regs[g.Address]
}

func (f *fake) Write(g acpi.GAS, bytes int, v uint16) {
	switch {
	case g.Address == smi && v == 2:
		f.asked = f.now
	case g.Address == status || g.Address == statusB:
		f.regs[g.Address] &^= v &^ f.stuck
	case bytes == 1:
		f.enabled[g.Address] = v
	default:
		f.regs[g.Address] = v
	}
}

func (f *fake) Now() time.Time        { return f.now }
func (f *fake) Sleep(d time.Duration) { f.now = f.now.Add(d) }

func TestOpen(t *testing.T) {
	m := machine()
	m.mode = 20 * time.Millisecond
	b, err := Open(m, table(), 1)
	require.NoError(t, err)
	require.Zero(t, m.regs[status], "a press before is forgotten")
	require.Zero(t, m.regs[enable])
	require.Equal(t, map[uint64]uint16{gpeEnable: 0, gpeEnable + 1: 0}, m.enabled)
	b.Enable()
	require.Equal(t, uint16(pressed), m.regs[enable])

	m = machine()
	m.regs[control] = sciEnable
	_, err = Open(m, table(), 1)
	require.NoError(t, err)
	require.True(t, m.asked.IsZero(), "already in ACPI mode")
}

// Each machine without such a button says why, in bounded time.
func TestOpenErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(m *fake, f *acpi.FADT)
		want   error
	}{
		"reduced":   {func(_ *fake, f *acpi.FADT) { f.Flags = acpi.FlagHardwareReduced }, ErrReduced},
		"method":    {func(_ *fake, f *acpi.FADT) { f.Flags = acpi.FlagPowerButton }, ErrMethod},
		"no block":  {func(_ *fake, f *acpi.FADT) { f.PM1aEvent, f.PM1bEvent = 0, 0 }, ErrNoBlock},
		"PCI":       {func(_ *fake, f *acpi.FADT) { f.XPM1aEvent = &acpi.GAS{Space: acpi.SpacePCI, Address: 4} }, ErrSpace},
		"mode":      {func(m *fake, _ *acpi.FADT) { m.mode = -1 }, ErrMode},
		"no answer": {func(m *fake, _ *acpi.FADT) { m.gone = true }, ErrNoAnswer},
		"stuck":     {func(m *fake, _ *acpi.FADT) { m.stuck = pressed }, ErrStuck},
	} {
		t.Run(name, func(t *testing.T) {
			m, f := machine(), table()
			tc.change(m, f)
			_, err := Open(m, f, 2)
			require.ErrorIs(t, err, tc.want)
			require.LessOrEqual(t, m.now.Sub(began), 2*limitMode+pauseMode)
		})
	}
}

// opened returns a button that has not been pressed.
func opened(t *testing.T) (*fake, *Button) {
	m := machine()
	b, err := Open(m, table(), 1)
	require.NoError(t, err)
	b.Enable()
	return m, b
}

// A press at either block is found, and cleared; what is not the button's is not a press.
func TestAwait(t *testing.T) {
	for _, at := range []uint64{status, statusB} {
		m, b := opened(t)
		n := 0
		require.NoError(t, b.Await(func() error {
			if n++; n == 5 {
				m.regs[at] = pressed | others
			} else {
				m.regs[at] = others
			}
			return nil
		}))
		require.Equal(t, 5, n)
		require.Equal(t, uint16(others), m.regs[at])
	}
}

// Another device at the line may interrupt without end, but not at any rate.
func TestStorm(t *testing.T) {
	for _, tc := range []struct {
		every time.Duration
		storm bool
	}{{window / maxStray / 2, true}, {2 * window / maxStray, false}} {
		m, b := opened(t)
		n := 0
		end := errors.New("enough")
		err := b.Await(func() error {
			m.Sleep(tc.every)
			if n++; n == 100*maxStray {
				return end
			}
			return nil
		})
		if tc.storm {
			require.ErrorIs(t, err, ErrStorm)
			require.LessOrEqual(t, n, maxStray)
		} else {
			require.ErrorIs(t, err, end)
		}
	}
}

// Registers that vanish read as ones, which is not a press.
func TestGone(t *testing.T) {
	m, b := opened(t)
	m.gone = true
	end := errors.New("no interrupt")
	require.ErrorIs(t, b.Await(func() error { return end }), end)
}

// Without an interrupt the button is looked at.
func TestPoll(t *testing.T) {
	m, b := opened(t)
	p := &pressing{fake: m, at: m.now.Add(time.Hour)}
	b.m = p
	b.Poll()
	require.WithinDuration(t, p.at, m.now, Interval)
}

// pressing is a machine whose button is pressed at a time.
type pressing struct {
	*fake
	at time.Time
}

func (p *pressing) Sleep(d time.Duration) {
	p.fake.Sleep(d)
	if !p.now.Before(p.at) {
		p.regs[status] = pressed
	}
}
