//go:build explore

package console

import "muster/kernel/lock"

// ModelInput makes p a port that has received b, for models of other packages.
func (p *Port) ModelInput(b []byte) {
	p.mu = lock.Spin{Rank: lock.RankConsole}
	p.rx = ring{buf: p.rxBytes[:]}
	p.rx.put(b)
	p.counts.Received, p.ended = uint64(len(b)), false
}
