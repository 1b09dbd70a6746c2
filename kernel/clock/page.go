package clock

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/layout"
)

// Page is the time data: the parameters that make a time of a counter value. The kernel
// and every program read the same page, a program through a mapping that it cannot
// write. Nothing else of the kernel's is in it.
//
// ended and begun are a sequence lock of two numbers. The writer adds one to begun, changes
// the parameters, and sets ended to begun. A reader loads ended first and begun last; if
// they are equal, no change was under way while it read. Two numbers save a reader the test
// for an odd number.
//
// A time is a moment: counter * rate + offset, modulo 2^128. The upper half of the product
// is seconds, and the lower half times billion has the nanoseconds in its upper half, so a
// reader does not divide. The counter's zero point and the clock's are one number. All readers
// compute a time the same way, to the last bit: what one of them rounded differently could
// be before what another has returned.
//
// The words change while others read them, so each is atomic. Assembly has the offsets of
// this structure too (readers_amd64.h).
type Page struct {
	ended   atom.Uint32      // changes that are complete
	begun   atom.Uint32      // changes that have begun
	source  atom.Uint32      // what readers use: sourceTSC, or a system call
	named   atom.Uint32      // 1: IA32_TSC_AUX of each CPU has its number
	rate    atom.Uint64      // seconds per tick, with 64 fractional bits
	billion atom.Uint64      // 10^9, as an operand
	lo, hi  [ids]atom.Uint64 // the offset of each clock, by Linux's number
	raw     struct {         // CLOCK_MONOTONIC_RAW: without the corrections of rate
		rate, lo, hi atom.Uint64
	}
}

// Values of Page.source.
const (
	sourceNone = iota // before calibration: times are 0
	sourceTSC
	sourceCall // the second clock, by a system call; a change has begun that never ends
)

// Clocks by Linux's number (include/uapi/linux/time.h), as far as the page has them.
const (
	realtime       = 0
	monotonic      = 1
	monotonicRaw   = 4
	realtimeCoarse = 5
	coarse         = 6
	boottime       = 7
	tai            = 11

	ids = 12 // their numbers are below it

	// The clocks that are as another one, as bits. A coarse clock is as fine as the others: it
	// would not be cheaper. CLOCK_BOOTTIME is the monotonic clock, because the machine does not
	// sleep, and CLOCK_TAI the real-time clock, because no leap second is known.
	likeReal = 1<<realtime | 1<<realtimeCoarse | 1<<tai
	likeMono = 1<<monotonic | 1<<coarse | 1<<boottime
)

// The page's size is that of the memory which programs map.
var _ [layout.PageSize - unsafe.Sizeof(Page{})]byte

var (
	early Page // until UsePage
	page  = &early
)

// UsePage makes the zeroed page at layout.ClockPage the page of time data. named says that
// IA32_TSC_AUX of each CPU will have its number before programs run there.
//
// Context: boot CPU, before Calibrate.
func UsePage(named bool) {
	at := uintptr(layout.ClockPage)
	page = (*Page)(unsafe.Pointer(at))
	if named {
		page.named.Store(1)
	}
}

// clock returns a clock's time at a counter value.
func (p *Page) clock(id int, tsc uint64) moment {
	return product(tsc, p.rate.Load()).plus(moment{p.hi[id].Load(), p.lo[id].Load()})
}

// read returns a clock's time.
func (p *Page) read(id int) Time {
	for ; ; atom.Pause() {
		ended := p.ended.Load()
		m := p.clock(id, readTSC())
		if p.begun.Load() == ended { // pairs with begin
			return m.time()
		}
		if p.source.Load() == sourceCall {
			now := second.now()
			if likeReal>>id&1 != 0 {
				now += Time(Epoch())
			}
			return now
		}
	}
}

// Now returns the time since the zero point: CLOCK_MONOTONIC.
//
// Context: any but an NMI or a machine check, which may have interrupted the writer.
func Now() Time { return page.read(monotonic) }

// Real returns the Unix time: CLOCK_REALTIME. It is never less than Now + Epoch.
//
// Context: as Now.
func Real() Time { return page.read(realtime) }

// Raw returns the time as the calibration at boot has it, without later corrections:
// CLOCK_MONOTONIC_RAW.
//
// Context: as Now.
func Raw() Time {
	for p := page; ; atom.Pause() {
		ended := p.ended.Load()
		m := product(readTSC(), p.raw.rate.Load()).plus(moment{p.raw.hi.Load(), p.raw.lo.Load()})
		if p.begun.Load() == ended {
			return m.time()
		}
		if p.source.Load() == sourceCall {
			return second.now()
		}
	}
}

// atTries is how often At reads the parameters. A change takes far less time, unless the
// writer has stopped: At is called in the report of a panic, too.
const atTries = 1000

// At returns the time of a counter value.
//
// Context: any.
func At(tsc uint64) Time {
	var m moment
	p := page
	for range atTries {
		ended := p.ended.Load()
		m = p.clock(monotonic, tsc)
		if p.begun.Load() == ended || p.source.Load() == sourceCall {
			break // with a second clock, the rate of the boot must do
		}
		atom.Pause()
	}
	return m.time()
}
