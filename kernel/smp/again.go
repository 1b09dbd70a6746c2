package smp

// CPUs that come later: late ones, and ones that are started again.

import (
	"context"
	"time"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// Late is a CPU that was still starting when its time was up.
type Late struct {
	CPU    int
	APICID uint32
}

// StartAgain starts a single CPU that was prepared before and is not online: one
// that was silent, or that halted during its start. cfg is as for StartAll, but the
// wait after INIT is the manual's: the CPU may be running, and its memory is made
// anew.
func StartAgain(m Core, cpu int, apicID uint32, cfg Config) Result {
	cfg.INITWait = max(cfg.INITWait, manualWait)
	b := &bringUp{Core: m, Config: cfg.withDefaults()}
	b.Wanted = 1
	b.barrier(b.start([]*starting{{Processor: abi.Processor{APICID: apicID}, cpu: cpu}}))
	b.Took = m.Now().Sub(b.began)
	return b.Result
}

// Catch waits for a late CPU and brings it online. After the limit the CPU is
// reset, and the error says so. If ctx ends first the CPU is left as it is. cfg is
// as for StartAll.
func Catch(ctx context.Context, m Core, l Late, cfg Config, limit time.Duration) (after time.Duration, err error) {
	b := &bringUp{Core: m, Config: cfg.withDefaults(), ctx: ctx}
	s := []*starting{{Processor: abi.Processor{APICID: l.APICID}, cpu: l.CPU}}
	began := m.Now()
	if !b.await(s, percpu.Ready, limit, nil) { // it comes online only after Proceed
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		st := m.State(l.CPU)
		m.SendINIT(l.APICID)
		return 0, Silent{l.CPU, l.APICID, st.Stage, st.Code, limit}
	}
	b.ctx = nil // the CPU is ready, so the wait for it no longer ends with ctx
	b.barrier(s)
	if len(b.Problems) > 0 {
		return 0, b.Problems[0]
	}
	return m.Now().Sub(began), nil
}
