package irq

import (
	"slices"
	"time"

	"muster/kernel/abi"
)

// The balancer spreads busy lines. It compares how often each line has interrupted in a
// period, and leads at most moveLimit lines away from the CPU with the most interrupts.
const (
	balancePeriod = time.Second
	idlePeriod    = 8 * time.Second // while no line is busy
	moveLimit     = 2               // lines in a period
	busyRate      = 500             // interrupts a second from which a line is busy
	restPeriods   = 10              // for which a line that was moved stays
	gainPercent   = 20              // by which the busier of the two CPUs has fewer interrupts afterwards
)

// flow is how often a line interrupts.
type flow struct {
	line  *line
	rate  uint64 // a second
	cpu   int
	where []int // CPUs to which it can go
	rests bool
}

// Balance spreads busy lines, for as long as the machine runs.
func Balance() {
	b := balancer{table: lines, seen: map[*line]uint64{}, rest: map[*line]int{}}
	for period := balancePeriod; ; {
		time.Sleep(period)
		if b.step(period) {
			period = balancePeriod
		} else {
			period = idlePeriod
		}
	}
}

// balancer remembers what it saw a period ago.
type balancer struct {
	*table
	seen map[*line]uint64 // interrupts so far
	rest map[*line]int    // periods for which a line still stays
}

// step does the work of one period that has passed. It reports whether a line is busy.
func (b *balancer) step(period time.Duration) (busy bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	flows := b.flows(period)
	for range moveLimit {
		f, to := choose(flows)
		if f == nil {
			break
		}
		b.rest[f.line] = restPeriods
		f.rests = true
		if err := b.move(f.line, to); err != nil {
			b.log("irq: line %s (%s): %v", f.line.label, f.line.name, err)
			continue
		}
		f.line.balanced++
		f.cpu = to
	}
	return slices.ContainsFunc(flows, func(f *flow) bool { return f.rate >= busyRate })
}

// flows reads what all lines have done in the period that has passed.
func (b *balancer) flows(period time.Duration) (list []*flow) {
	all := b.candidates(nil)
	for _, l := range b.list {
		i, err := b.core.Info(l.id)
		if err != nil || i.Flags&abi.IRQNMI != 0 {
			continue
		}
		sum := uint64(0)
		for cpu := 0; ; cpu++ {
			n, err := b.core.Count(l.id, cpu)
			if err != nil {
				break
			}
			sum += n
		}
		last, known := b.seen[l]
		b.seen[l] = sum
		f := &flow{line: l, cpu: int(i.CPU), where: all, rests: b.rest[l] > 0}
		if known {
			f.rate = (sum - last) * uint64(time.Second) / uint64(period)
		}
		if l.allowed != nil {
			f.where = b.candidates(l.allowed)
		}
		b.rest[l] = max(b.rest[l]-1, 0)
		list = append(list, f)
	}
	return list
}

// choose returns the line to move, and the CPU to which it goes; nil if no move pays.
// Lines of other CPUs than the busiest one stay.
func choose(flows []*flow) (best *flow, to int) {
	load := map[int]uint64{}
	for _, f := range flows {
		load[f.cpu] += f.rate
	}
	from, most := -1, uint64(0)
	for cpu, n := range load {
		if n > most || n == most && cpu < from {
			from, most = cpu, n
		}
	}
	limit := most * (100 - gainPercent) / 100
	for _, f := range flows {
		if f.cpu != from || f.rests || f.rate < busyRate {
			continue
		}
		for _, cpu := range f.where {
			if cpu == from {
				continue
			}
			after := max(most-f.rate, load[cpu]+f.rate)
			if after < limit || after == limit && (best == nil || load[cpu] < load[to]) {
				best, to, limit = f, cpu, after
			}
		}
	}
	return best, to
}
