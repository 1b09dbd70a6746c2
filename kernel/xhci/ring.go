package xhci

// trb is a transfer request block: an entry of a ring.
type trb struct {
	param           uint64
	status, control uint32
}

// Types of entries, in bits 15:10 of control, and other bits of control.
//
// Source: xHCI 1.2, "Transfer Request Block (TRB)" and "TRB Types".
const (
	typeNormal     = 1 << 10
	typeSetup      = 2 << 10
	typeData       = 3 << 10
	typeStatus     = 4 << 10
	typeLink       = 6 << 10
	typeEnable     = 9 << 10
	typeDisable    = 10 << 10
	typeAddress    = 11 << 10
	typeConfigure  = 12 << 10
	typeEvaluate   = 13 << 10
	typeResetEnd   = 14 << 10
	typeStopEnd    = 15 << 10
	typeSetDequeue = 16 << 10

	typeTransfer = 32 << 10 // events
	typeDone     = 33 << 10
	typePort     = 34 << 10
	typeMask     = 63 << 10

	trbCycle     = 1 << 0
	trbToggle    = 1 << 1 // of a link
	trbShort     = 1 << 2 // an event for a short packet
	trbEvent     = 1 << 5 // an event when done
	trbImmediate = 1 << 6
	trbIn        = 1 << 16
	setupOut     = 2 << 16
	setupIn      = 3 << 16
)

// ringEntries is the number of entries of a ring of one page. The last is a link to the
// first.
const ringEntries = pageBytes / 16

// ring is a ring of requests to the controller. It never has more than a few that the
// controller has not taken.
type ring struct {
	Page
	at    int
	cycle uint32
}

func (c *Controller) newRing() (*ring, error) {
	p, err := c.page()
	if err != nil {
		return nil, err
	}
	return &ring{Page: p, cycle: trbCycle}, nil
}

// add appends an entry, and returns its address. The word with the cycle goes last: it
// gives the entry to the controller.
func (r *ring) add(t trb) (address uint64) {
	i := 4 * r.at
	address = r.Address + 16*uint64(r.at)
	r.put64(i, t.param)
	r.put(i+2, t.status)
	r.put(i+3, t.control|r.cycle)
	if r.at++; r.at == ringEntries-1 {
		i = 4 * r.at
		r.put64(i, r.Address)
		r.put(i+2, 0)
		r.put(i+3, typeLink|trbToggle|r.cycle)
		r.at, r.cycle = 0, r.cycle^trbCycle
	}
	return address
}

// next returns the address at which the controller goes on, with the cycle.
func (r *ring) next() uint64 { return r.Address + 16*uint64(r.at) | uint64(r.cycle) }

// event is an entry of the event ring.
type event trb

// Codes of events.
//
// Source: xHCI 1.2, "TRB Completion Codes".
const (
	codeSuccess     = 1
	codeBabble      = 3
	codeTransaction = 4
	codeStall       = 6
	codeShort       = 13
)

func (e event) code() uint32     { return e.status >> 24 }
func (e event) slot() int        { return int(e.control >> 24) }
func (e event) endpoint() uint32 { return e.control >> 16 & 0x1f }

// eventRing is the ring that the controller fills.
type eventRing struct {
	Page
	at    int
	cycle uint32
}

// prepareEvents makes the event ring of interrupter 0, with one segment.
func (c *Controller) prepareEvents() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	table, err := c.page()
	if err != nil {
		return err
	}
	c.events = eventRing{Page: p, cycle: trbCycle}
	table.put64(0, p.Address)
	table.put(2, ringEntries)
	c.r.storeRuntime(intSegments, 1)
	c.taken(0)
	c.r.storeRuntime(intTable, uint32(table.Address))
	c.r.storeRuntime(intTable+4, uint32(table.Address>>32))
	c.r.storeRuntime(intModerate, 0)
	c.r.storeRuntime(intManage, managePending|manageEnable)
	return nil
}

// taken writes how far events were taken.
func (c *Controller) taken(busy uint32) {
	at := c.events.Address + 16*uint64(c.events.at)
	c.r.storeRuntime(intDequeue, uint32(at)|busy)
	c.r.storeRuntime(intDequeue+4, uint32(at>>32))
}

// take returns the next event.
func (r *eventRing) take() (e event, ok bool) {
	i := 4 * r.at
	control := r.get(i + 3)
	if control&trbCycle != r.cycle {
		return e, false
	}
	e = event{uint64(r.get(i)) | uint64(r.get(i+1))<<32, r.get(i + 2), control}
	if r.at++; r.at == ringEntries {
		r.at, r.cycle = 0, r.cycle^trbCycle
	}
	return e, true
}
