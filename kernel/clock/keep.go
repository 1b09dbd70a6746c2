package clock

// Changes of the page. One CPU at a time makes them: the boot CPU during boot, later the
// timekeeper. Times of a clock never go back at a change. Two rules ensure that.
//
// The change is begun before the counter is read. If the writer read the counter first, a
// reader could still end between the two, with a later counter value and the old parameters;
// the new parameters would continue from the earlier value, and another reader could get
// less than the first one got.
//
// The new parameters continue from the time that the old ones give after begin, plus slack.

// slack is what a change adds to the time. A CPU may load begun a little before it reads the
// counter, although the program says otherwise, so a reader's counter value can be later than
// the change by the length of the CPU's reorder window. That is less than a microsecond, and
// two rates that follow one another differ by less than a thousandth.
//
// Source: Intel SDM vol. 2B, "RDTSC".
const slack Time = 2

// begin opens a change, and returns the counter and CLOCK_MONOTONIC: from there on, the new
// parameters hold.
//
// Context: interrupts off.
func (p *Page) begin() (tsc uint64, now moment) {
	p.begun.Add(1) // pairs with the reader's last load; the counter is read after it
	tsc = readTSC()
	return tsc, p.clock(monotonic, tsc)
}

// end closes a change, unless the page has led to the second clock since.
func (p *Page) end() {
	if p.source.Load() != sourceCall {
		p.ended.Store(p.begun.Load()) // pairs with the reader's first load
	}
}

// adjust makes the clocks run at another rate, from the present time on.
//
// Context: interrupts off, on the timekeeper.
func (p *Page) adjust(rate uint64) {
	tsc, now := p.begin()
	p.turn(tsc, now, rate)
	p.end()
}

// turn makes the clocks go on from now, plus slack, with a rate.
//
// Context: within a change, whose begin returned tsc and now.
func (p *Page) turn(tsc uint64, now moment, rate uint64) {
	p.rate.Store(rate)
	p.place(now.plus(momentOf(slack)).minus(product(tsc, rate)))
}

// place sets the offsets of all clocks from that of the monotonic one.
//
// Context: within a change.
func (p *Page) place(off moment) {
	real := off.plus(momentOf(Time(Epoch())))
	for id := range p.lo {
		m := off
		if likeReal>>id&1 != 0 {
			m = real
		}
		p.hi[id].Store(m.hi)
		p.lo[id].Store(m.lo)
	}
}

// start makes the counter the clock, with a rate. Its time is 0, plus slack, at the
// counter value zero.
//
// Context: boot CPU, before others start.
func (p *Page) start(rate, zero uint64) {
	p.begin()
	p.turn(zero, moment{}, rate)
	p.raw.rate.Store(rate)
	p.raw.hi.Store(p.hi[monotonic].Load())
	p.raw.lo.Store(p.lo[monotonic].Load())
	p.billion.Store(1e9)
	p.source.Store(sourceTSC)
	p.end()
}
