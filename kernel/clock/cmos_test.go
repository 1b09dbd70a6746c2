package clock

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// simulatedCMOS is the CMOS clock of a simulated machine.
type simulatedCMOS struct {
	*world
	reg     uint8
	access  float64 // ns
	warning float64 // how long before the end of a second the bit of an update is set
	updates float64 // how long after it
	binary  bool
	still   bool
	absent  bool
}

func (c *simulatedCMOS) choose(reg uint8) { c.pass(c.access); c.reg = reg }

func (c *simulatedCMOS) data() uint8 {
	c.pass(c.access)
	ns := c.ns
	if c.still {
		ns = 0.5e9
	}
	second := int(ns / 1e9)
	part := ns - float64(second)*1e9
	updating := part < c.updates || part > 1e9-c.warning
	switch {
	case c.absent:
		return 0xff
	case c.reg == rtcStatusA && updating:
		return 0xa6
	case c.reg == rtcStatusA:
		return 0x26
	case c.reg == rtcStatusB && c.binary:
		return 6
	case c.reg == rtcStatusB:
		return 2
	case updating && c.updates > 0 && part < c.updates:
		return uint8(c.rnd.Intn(256)) // the register is not to be read now
	}
	v := uint8(second % 60)
	if !c.binary {
		v = v/10<<4 | v%10
	}
	return v
}

func newCMOS(seed int64) *simulatedCMOS {
	w := newWorld(seed)
	w.stopNS = 30e6 * w.rnd.Float64()
	w.stopOdds /= 20
	w.ns = 70e9 * w.rnd.Float64() // the minute may end
	c := &simulatedCMOS{world: w, access: 3000 + 9000*w.rnd.Float64(), binary: seed%2 == 0, warning: 244e3, updates: 1984e3}
	if seed%3 == 0 {
		c.updates = 0 // as QEMU has it
	}
	return c
}

func (c *simulatedCMOS) clock() *cmosClock {
	return &cmosClock{now: c.tsc, choose: c.choose, data: c.data}
}

const cmosWorlds = 12

// wrongCMOS returns the measurements whose error is larger than their bound, or 1%.
func wrongCMOS(f func(q *cmosClock) (Reading, string)) (wrong []string) {
	for seed := range int64(cmosWorlds) {
		c := newCMOS(seed)
		v, problem := f(c.clock())
		if far := apart(v.Hz, uint64(c.hz)); problem != "" || far > uint64(v.PPM)+2 || far > agreePPM {
			wrong = append(wrong, fmt.Sprintf("seed %d: %d Hz of %.0f, %d ppm, bound %d, %s", seed, v.Hz, c.hz, far, v.PPM, problem))
		}
	}
	return wrong
}

func TestCMOS(t *testing.T) { require.Empty(t, wrongCMOS((*cmosClock).measure)) }

// A measurement that takes each change of the register for the end of a second, without a look at the
// bit that says it is being updated.
func TestCMOSNotices(t *testing.T) {
	require.NotEmpty(t, wrongCMOS(func(q *cmosClock) (v Reading, problem string) {
		end := func() uint64 {
			q.choose(rtcSecond)
			for old := q.data(); q.data() == old; {
			}
			return q.now()
		}
		first := end()
		return Reading{Hz: end() - first, PPM: cmosPPM}, ""
	}))
}

func TestCMOSStill(t *testing.T) {
	for name, set := range map[string]func(c *simulatedCMOS){
		cmosStill:  func(c *simulatedCMOS) { c.still = true },
		cmosAbsent: func(c *simulatedCMOS) { c.absent = true },
	} {
		c := newCMOS(1)
		c.hz = 6e9
		set(c)
		began := c.ns
		v, problem := c.clock().measure()
		require.Equal(t, name, problem)
		require.Zero(t, v)
		require.Less(t, c.ns-began, 25e9) // the bound of the fastest CPU's TSC
	}
}
