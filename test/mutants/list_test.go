package mutants

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mutant is one edit, and the tests that have to fail then.
type mutant struct {
	name     string
	file     string // below the root of the tree
	old, new string
	tests    string // arguments of go test
}

// The tests.
const (
	exploreLock  = "-tags explore -run Spin ./kernel/lock"
	debugLock    = "-tags debug ./kernel/lock"
	hostPerCPU   = "./kernel/percpu"
	exploreIPI   = "-tags explore ./kernel/ipi"
	exploreCross = "-tags explore -run Call|Withdraw|Lost ./kernel/cross"
	hostCross    = "./kernel/cross"
	exploreSMP   = "-tags explore -run Handshake ./kernel/smp"
	hostSMP      = "./kernel/smp"
	exploreSched = "-tags explore -run Park|Idle ./kernel/sched"
	hostSched    = "./kernel/sched"
	hostList     = "./kernel/list"
	exploreMem   = "-tags explore -run Flush ./kernel/mem"
	hostMem      = "./kernel/mem"
	hostLinux    = "./kernel/linux"
)

// root is the tree, seen from this folder.
const root = "../.."

var mutants = []mutant{
	// Locks.
	{"a ticket in two steps", "kernel/lock/spin.go",
		"ticket := s.next.Add(1) - 1", "ticket := s.next.Load()\n\ts.next.Store(ticket + 1)", exploreLock},
	{"a lock that does not wait", "kernel/lock/spin.go",
		"if s.owner.Load() != ticket {", "if s.owner.Load() > ticket {", exploreLock},
	{"a ticket skipped", "kernel/lock/spin.go",
		"s.owner.Store(s.owner.Load() + 1)", "s.owner.Store(s.owner.Load() + 2)", exploreLock},
	{"two locks of one rank", "kernel/lock/spin.go",
		"s.Rank <= top {", "s.Rank < top {", debugLock},
	{"release in any order", "kernel/lock/spin.go",
		"if c.LockDepth == 0 || Rank(c.LockRanks[c.LockDepth-1]) != s.Rank {", "if c.LockDepth == 0 {", debugLock},
	{"a lock held across a switch", "kernel/lock/spin.go",
		"if Checked && c.LockDepth != 0 {", "if Checked && c.LockDepth > 1 {", debugLock},

	// CPUs and sets of them.
	{"two callers clear one member", "kernel/percpu/mask.go",
		"return m.word(id/64).And(^uint64(1<<(id%64)))>>(id%64)&1 != 0", "m.word(id / 64).And(^uint64(1 << (id % 64)))\n\treturn true", hostPerCPU},
	{"a member beyond the end", "kernel/percpu/mask.go",
		"return id < m.n &&", "return id <= m.n &&", hostPerCPU},
	{"words skipped", "kernel/percpu/mask.go",
		"id = (id/64 + 1) * 64", "id += 64", hostPerCPU},
	{"clear takes the word", "kernel/percpu/mask.go",
		".And(^uint64(1<<(id%64)))>>", ".And(0)>>", hostPerCPU},
	{"a CPU without a place", "kernel/percpu/percpu.go",
		"if n == table.limit {", "if n > table.limit {", hostPerCPU},
	{"look, then reset", "kernel/percpu/handshake.go",
		"if c.State.CompareAndSwap(s, Offline) {", "if c.State.Store(Offline); true {", exploreSMP},
	{"a reset of a CPU that is online", "kernel/percpu/handshake.go",
		"if s == Online {", "if s == Ready {", exploreSMP},
	{"join after a reset", "kernel/percpu/handshake.go",
		"return c.State.CompareAndSwap(Ready, Online)", "return c.State.Swap(Online) == Ready", exploreSMP},
	{"ready after a reset", "kernel/percpu/handshake.go",
		"return c.State.CompareAndSwap(Booting, Ready)", "return c.State.Swap(Ready) == Booting", exploreSMP},
	{"an old word to go on", "kernel/percpu/handshake.go",
		"c.Go.Store(0)", "c.Go.Load()", hostPerCPU},
	{"memory made anew twice", "kernel/percpu/handshake.go",
		"return c.State.CompareAndSwap(Offline, Booting)", "return c.State.Load() != Online && c.State.Swap(Booting) != Online", hostPerCPU},

	// IPIs.
	{"an IPI that is not merged", "kernel/ipi/ipi.go",
		"\t\tstats(c)[k][merged]++\n\t\treturn", "\t\tstats(c)[k][merged]++", exploreIPI},
	{"a request that stays", "kernel/ipi/take.go",
		"requests = c.Pending.Swap(0)", "requests = c.Pending.Load()", exploreIPI},
	{"a look that comes late", "kernel/ipi/take.go",
		"&& c.Pending.And(^uint32(1<<k))>>k&1 != 0", "&& c.Pending.Swap(0)>>k&1 != 0", exploreIPI},
	{"a cluster is any cluster", "kernel/ipi/ipi.go",
		"return g.dest>>16 == to.Logical>>16", "return true", exploreIPI},
	{"the last group is not sent", "kernel/ipi/ipi.go",
		"\tif g.n > 0 {\n", "\tif g.n > 1 {\n", exploreIPI},
	{"the sender too", "kernel/ipi/ipi.go",
		"\t\tif to == c {\n", "\t\tif to.ID == 0 {\n", exploreIPI},
	{"put back and forgotten", "kernel/ipi/take.go",
		"c.Pending.Or(1 << k)", "c.Pending.And(^uint32(1 << k))", hostCross},
	{"one request of several", "kernel/ipi/take.go",
		"requests &= requests - 1", "requests = 0", exploreIPI},

	// Calls.
	{"done before all are entered", "kernel/cross/cross.go",
		"c.OutLeft.Store(1)", "c.OutLeft.Store(0)", exploreCross},
	{"done before it has run", "kernel/cross/cross.go",
		"\t\ttable[f](c, from.OutWord.Load())\n\t\tfrom.OutLeft.Add(^uint32(0))", "\t\tfrom.OutLeft.Add(^uint32(0))\n\t\ttable[f](c, from.OutWord.Load())", exploreCross},
	{"a call withdrawn runs", "kernel/cross/cross.go",
		"if !c.Callers.Clear(id) {", "if c.Callers.Clear(id); false {", exploreCross},
	{"look, then withdraw", "kernel/cross/cross.go",
		"to != c && to.Callers.Clear(c.ID) {", "to != c && to.Callers.Has(c.ID) {\n\t\t\tto.Callers.Clear(c.ID)", exploreCross},
	{"forgotten late", "kernel/cross/cross.go",
		"\tif ipi.TakeOne(c, ipi.Call) {\n\t\tserve(c)", "\tif c.Pending.Load()>>ipi.Call&1 != 0 {\n\t\tserve(c)\n\t\tipi.TakeOne(c, ipi.Call)", exploreCross},
	{"a waiter that does not answer", "kernel/cross/cross.go",
		"turns++ {\n\t\tPoll(c)\n", "turns++ {\n", exploreCross},
	{"repeated to those that have begun", "kernel/cross/cross.go",
		"to != c && to.Callers.Has(c.ID) {", "to != c && !to.Callers.Has(c.ID) {", exploreCross},
	{"the share of all ticks", "kernel/cross/cross.go",
		"tick != c.CallPeriod {", "tick > c.CallPeriod+1 {", hostCross},
	{"put off and not put back", "kernel/cross/cross.go",
		"\t\tipi.PutBack(c, ipi.Call)\n", "", hostCross},

	// Starting CPUs.
	{"silent and not reset", "kernel/smp/batch.go",
		"\tb.SendINIT(s.APICID)\n\treturn true", "\treturn true", exploreSMP},
	{"the page goes away at once", "kernel/smp/batch.go",
		"\tif reset {\n\t\tb.Sleep(manualWait)", "\tif reset {\n\t\t_ = reset", exploreSMP},
	{"no wait between INIT and SIPI", "kernel/smp/batch.go",
		"\t\t\t\tb.Sleep(manualWait)", "\t\t\t\tb.Sleep(0)", exploreSMP},
	{"given up and not reset", "kernel/smp/batch.go",
		"\t\t\tb.SendINIT(s.APICID)", "\t\t\t_ = st", exploreSMP},
	{"late in the page", "kernel/smp/batch.go",
		"if st.Stage >= trampoline.StageFoundBlock &&", "if slot >= trampoline.StageRealMode16 &&", exploreSMP},
	{"joined and called silent", "kernel/smp/batch.go",
		"if b.State(s.cpu).State != percpu.Online {", "if st.State != percpu.Online {", exploreSMP},
	{"caught too late", "kernel/smp/again.go",
		"\t\tm.SendINIT(l.APICID)\n", "", hostSMP},
	{"no second SIPI", "kernel/smp/batch.go",
		"for _, s := range b.before(list, trampoline.StageRealMode16) {", "for _, s := range b.before(list, trampoline.StageNone) {", hostSMP},

	// TLB flushes.
	{"the number is loaded late", "kernel/mem/tlb.go",
		"c.FlushDone.Store(requests)", "c.FlushDone.Store(c.FlushRequests.Load())", exploreMem},
	{"answered before the request", "kernel/mem/tlb.go",
		"int64(to.FlushDone.Load()-n) >= 0", "int64(to.FlushDone.Load()-n) >= -1", exploreMem},
	{"no wait for the answer", "kernel/mem/tlb.go",
		"await(c, to, to.FlushRequests.Load())", "_ = to", exploreMem},
	{"answered and not flushed", "kernel/mem/tlb.go",
		"\tflushOwn(c) // after", "\t// after", exploreMem},
	{"a CPU that waits does not answer", "kernel/mem/tlb.go",
		"\t\tAnswer(c)\n\t\tatom.Pause()", "\t\tatom.Pause()", exploreMem},
	{"a request without an IPI", "kernel/mem/tlb.go",
		"\tipi.SendSet(c, set, ipi.Flush)\n", "", exploreMem},

	// Areas of a space.
	{"neighbours of any rights", "kernel/mem/areas.go",
		"|| a.prot != b.prot ||", "||", hostMem},
	{"a hole that is too small", "kernel/mem/areas.go",
		"if a.start() >= before && a.start()-before >= size {", "if a.start() >= before && a.start() > before {", hostMem},

	// Threads.
	{"look, then announce", "kernel/sched/idle.go",
		"\tidle.Set(c.ID)\n\tnext := local(c).take(c, classes, false)\n\tif next == nil {\n\t\tnext = steal(c)\n\t}\n",
		"\tnext := local(c).take(c, classes, false)\n\tif next == nil {\n\t\tnext = steal(c)\n\t}\n\tidle.Set(c.ID)\n", exploreSched},
	{"an idle CPU does not steal", "kernel/sched/idle.go",
		"\t\tnext = steal(c)\n", "", exploreSched},
	{"the token, then the state", "kernel/sched/park.go",
		"\tt.state.Store(stParked)\n\treturn t.token.Load() != 0 &&", "\ttoken := t.token.Load() != 0\n\tt.state.Store(stParked)\n\treturn token &&", exploreSched},
	{"the state, then the token", "kernel/sched/park.go",
		"\tt.token.Store(1)\n\treturn t.state.Load() == stParked &&", "\tdefer t.token.Store(1)\n\treturn t.state.Load() == stParked &&", exploreSched},
	{"two make it ready", "kernel/sched/park.go",
		"return t.token.Load() != 0 && t.state.CompareAndSwap(stParked, stReady)", "return t.token.Load() != 0 && t.state.Swap(stReady) != stRunning", exploreSched},
	{"a thread left at a busy CPU", "kernel/sched/queue.go",
		"\tif id, ok := claim(last); ok {\n\t\tkick(c, percpu.Get(id))", "\tif id, ok := claim(last); ok && id == last {\n\t\tkick(c, percpu.Get(id))", exploreSched},
	{"the end of a list is lost", "kernel/list/list.go",
		"prev.next, next.prev = next, prev", "prev.next = next", hostList},
	{"a pinned thread is stolen", "kernel/sched/queue.go",
		"\tl.Remove(n)\n\treturn queuedThread(n)", "\treturn queuedThread(l.Pop())", hostSched},
	{"a pinned thread moves", "kernel/sched/queue.go",
		"for free && n != nil && queuedThread(n).pinned {", "for free && n != nil && !queuedThread(n).pinned {", hostSched},
	{"a timer is forgotten", "kernel/sched/timer.go",
		"first = clock.Time(n.Key)", "first = clock.Never", hostSched},
	{"as many timers as are due", "kernel/sched/timer.go",
		"n < maxExpired &&", "n >= 0 &&", hostSched},
	{"a mutex freed for a waiter", "kernel/sched/mutex.go",
		"\t\tt.granted = true\n", "\t\tt.granted = true\n\t\tm.held = false\n", hostSched},
	{"the last waiter first", "kernel/sched/mutex.go",
		"if n := m.waiters.Pop(); n != nil {", "if n := m.waiters.Last(); n != nil {\n\t\tm.waiters.Remove(n)", hostSched},

	// System calls.
	{"a waiter woken and left", "kernel/linux/futex.go",
		"\t\t\t\tb.tasks.Remove(&w.Wait)\n", "", hostLinux},
	{"all at the address, or near", "kernel/linux/futex.go",
		"if w.futexAddr == addr && w.futexSpace == t.Space {", "if w.futexSpace == t.Space {", hostLinux},
	{"one more than requested", "kernel/linux/futex.go",
		"node != nil && woken < n &&", "node != nil && woken <= n &&", hostLinux},
	{"reported twice", "kernel/linux/epoll.go",
		"if !w.reporting.Linked() {", "if true {", hostLinux},
	{"freed while a collector works on it", "kernel/linux/epoll.go",
		"return w.busy == 0", "return true", hostLinux},
	{"errors unasked for", "kernel/linux/epoll.go",
		"if (w.events|epollAlways)&events&0xffff != 0 && w.events&0xffff != 0 {", "if w.events&events&0xffff != 0 {", hostLinux},
	{"a full pipe takes more", "kernel/linux/pipe.go",
		"if count < pipeSize {", "if count <= pipeSize {", hostLinux},
	{"a pipe's own end", "kernel/linux/pipe.go",
		"p.open[p.other(f).end()]\n", "p.open[f.end()]\n", hostLinux},
	{"SIGKILL blocked", "kernel/linux/signal.go",
		"t.mask = mask &^ unblockable", "t.mask = mask", hostLinux},
	{"a blocked signal comes", "kernel/linux/signal.go",
		"ready := t.pending.Load() &^ t.mask", "ready := t.pending.Load()", hostLinux},
	{"one byte below the alternate stack", "kernel/linux/signal.go",
		"return sp > uint64(t.altLow) &&", "return sp >= uint64(t.altLow) &&", hostLinux},
	{"vector state of the program's choice", "kernel/linux/sigframe.go",
		"*bv &= cpu.XCR0Wanted", "*bv |= cpu.XCR0Wanted", hostLinux},
	{"two registers changed over", "kernel/linux/sigframe.go",
		"r.sp, r.ip, r.flags = f.SP, f.IP, f.Flags", "r.sp, r.ip, r.flags = f.IP, f.SP, f.Flags", hostLinux},
}

// edit returns the text of a mutant's file with the edit made.
func (m mutant) edit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, m.file))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), m.old), "%s: %q has to occur once in %s", m.name, m.old, m.file)
	return strings.Replace(string(text), m.old, m.new, 1)
}

// Each edit names one place of today's code.
func TestListIsCurrent(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			require.NotEqual(t, m.old, m.new)
			require.False(t, names[m.name])
			names[m.name] = true
			m.edit(t)
		})
	}
}
