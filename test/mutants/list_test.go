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
	exploreLock    = "-tags explore -run Spin ./kernel/lock"
	debugLock      = "-tags debug ./kernel/lock"
	hostPerCPU     = "./kernel/percpu"
	exploreIPI     = "-tags explore ./kernel/ipi"
	exploreCross   = "-tags explore -run Call|Withdraw|Lost ./kernel/cross"
	hostCross      = "./kernel/cross"
	exploreSMP     = "-tags explore -run Handshake ./kernel/smp"
	hostSMP        = "./kernel/smp"
	explorePolicy  = "-tags explore -run Policy ./kernel/sched"
	exploreIdle    = "-tags explore -run TestIdleCPU ./kernel/sched"
	exploreClaim   = "-tags explore -run TestThreadBeside ./kernel/sched"
	exploreAccount = "-tags explore -run TestMovedTime|TestGroupEnds ./kernel/sched"
	exploreSpans   = "-tags explore -run Span|Sleep ./kernel/sched"
	exploreSched   = "-tags explore -run Park|Idle ./kernel/sched"
	exploreTick    = "-tags explore -run TestIdleTicks|TestMovedTimer ./kernel/sched"
	hostSched      = "./kernel/sched"
	hostList       = "./kernel/list"
	exploreMem     = "-tags explore -run Flush ./kernel/mem"
	hostMem        = "./kernel/mem"
	hostTree       = "./kernel/tree"
	debugMem       = "-tags debug -run Freed|Written ./kernel/mem"
	hostLinux      = "./kernel/linux"
	exploreTurn    = "-tags explore -run Turn ./kernel/linux"
	exploreSlot    = "-tags explore -run TestReadAgainstClose|TestChangeAgainst|TestLowestFree ./kernel/linux"
	exploreSet     = "-tags explore -run TestTimer ./kernel/linux"
	exploreSent    = "-tags explore -run Sent|TestIgnored ./kernel/linux"
	exploreMask    = "-tags explore -run Mask|TestHandlerEnds|TestBlockedSignalGoes ./kernel/linux"
	hostRefs       = "./kernel/refs"
	hostMemmap     = "./kernel/memmap"
	hostTrap       = "./kernel/trap"
	hostRandom     = "./kernel/random"

	exploreLoad    = "-tags explore -run Balance|LessLoad ./kernel/sched"
	exploreStack   = "-tags explore -run TestStackIs ./kernel/sched"
	exploreQuick   = "-tags explore -run TestQuickFault ./kernel/mem"
	exploreDrop    = "-tags explore -run TestDropWithoutLock ./kernel/mem"
	exploreParts   = "-tags explore -run TestNeighbours ./kernel/mem"
	exploreLazy    = "-tags explore -run TestLazyCPU ./kernel/mem"
	hostPosted     = "-run TestPosted ./kernel/mem"
	exploreSpace   = "-tags explore -run TestSpaceIs|TestEnter ./kernel/mem"
	exploreCount   = "-tags explore -run TestCountBeside ./kernel/mem"
	exploreAhead   = "-tags explore -run Pages ./kernel/sched"
	explorePool    = "-tags explore -run TestPoolWaits ./kernel/mem"
	exploreFile    = "-tags explore -run TestCollectAgainst|TestCloseBoth|TestNestedClose ./kernel/linux"
	exploreTask    = "-tags explore -run TestTaskIs|TestOneTask ./kernel/linux"
	exploreProgram = "-tags explore -run TestProgramEnds ./kernel/linux"
	exploreRead    = "-tags explore -run TestPipeReadsMix|TestInputReads$ ./kernel/linux"
	exploreAction  = "-tags explore -run TestActionIs ./kernel/linux"
	exploreTimer   = "-tags explore -run TestTimerAgainst ./kernel/linux"
)

// root is the tree, seen from this folder.
const root = "../.."

var mutants = []mutant{
	// Locks.
	{"a lock taken in two steps", "kernel/lock/turns.go",
		"if s.word.CompareAndSwap(w, (w-waiter)&^claimed|held) {", "if s.word.Store((w-waiter)&^claimed | held); true {", exploreLock},
	{"a lock that does not wait", "kernel/lock/spin.go",
		"\t\ts.wait(c)", "\t\ts.word.Add(waiter)", exploreLock},
	{"a turn that does not come", "kernel/lock/turns.go",
		"s.turn.Store(mine + 1)", "s.turn.Store(mine)", exploreLock},
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
		"if s >= Online {", "if s > Online {", exploreSMP},
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
		"now-c.CallPeriod >= clock.Ticks(sharePeriod) {", "c.CallPeriod == 0 {", hostCross},
	{"put off and not put back", "kernel/cross/cross.go",
		"\t\tipi.PutBack(c, ipi.Call)\n", "", hostCross},

	// The memory map.
	{"reserved memory inside RAM", "kernel/memmap/memmap.go",
		"known && entry(i).Type != abi.RegionRAM && !m.RAM.Remove(r)", "known && entry(i).Type == 99 && !m.RAM.Remove(r)", hostMemmap},
	{"a page that is RAM in part", "kernel/memmap/memmap.go",
		"Range{(r.Start + inPage) &^ inPage, r.End &^ inPage}", "Range{r.Start &^ inPage, r.End &^ inPage}", hostMemmap},
	{"neighbours stay apart", "kernel/memmap/set.go",
		"s.pieces[i].End < r.Start {", "s.pieces[i].End <= r.Start {", hostMemmap},
	{"an entry that wraps", "kernel/memmap/memmap.go",
		"if e.Length == 0 || last < e.Start {", "if e.Length == 0 {", hostMemmap},
	{"a middle that stays", "kernel/memmap/set.go",
		"		if p.End > r.End {\n", "		if p.End > r.End && n == 0 {\n", hostMemmap},
	{"a page that is occupied in part", "kernel/memmap/memmap.go",
		"return m.Free.Remove(outward(r))", "return m.Free.Remove(inward(r))", hostMemmap},
	{"RAM beyond the limit", "kernel/memmap/memmap.go",
		"min(last, limit-1) + 1}", "last + 1}", hostMemmap},

	// Random numbers.
	{"one word of the state", "kernel/random/chacha.go",
		"quarter(&out, 3, 4, 9, 14)", "quarter(&out, 3, 4, 9, 13)", hostRandom},
	{"the key stays", "kernel/random/random.go",
		"b := block(&g.key, 1, &nonce)\n\t\tcopy(g.key[:], b[:8])\n", "b := block(&g.key, 1, &nonce)\n", hostRandom},
	{"a number stays in the buffer", "kernel/random/random.go",
		"\tg.out[g.left] = 0\n", "", hostRandom},
	{"numbers from before an input", "kernel/random/random.go",
		"g.blocks, g.left, g.out = 0, 0, [4]uint64{}", "g.blocks = 0", hostRandom},
	{"half of an input", "kernel/random/random.go",
		"{uint32(v), uint32(v >> 32), 1}", "{uint32(v), uint32(v), 1}", hostRandom},
	{"no new number of the hardware", "kernel/random/random.go",
		"state.blocks >= renewal", "state.blocks > 1<<30", hostRandom},
	{"a source that repeats itself", "kernel/random/seed.go",
		"if v == before {", "if v == before && v == 1<<63 {", hostRandom},
	{"a source of ones", "kernel/random/seed.go",
		" || v == ^uint64(0) {", " {", hostRandom},
	{"a source that has no number ready at once", "kernel/random/seed.go",
		"\tfor range tries {\n", "\tfor range 1 {\n", hostRandom},
	{"the end of what the loader left", "kernel/random/seed.go",
		"for len(b) > 0 {", "for len(b) >= 8 {", hostRandom},
	{"what the loader left, without its length", "kernel/random/seed.go",
		"\tg.mixIn(uint64(len(b)))\n", "", hostRandom},

	// Starting CPUs.
	{"silent and not reset", "kernel/smp/batch.go",
		"\tb.SendINIT(s.APICID)\n\treturn true", "\treturn true", exploreSMP},
	{"the page goes away at once", "kernel/smp/batch.go",
		"\tif reset {\n\t\tb.Sleep(manualWait)", "\tif reset {\n\t\t_ = reset", exploreSMP},
	{"no wait between INIT and SIPI", "kernel/smp/batch.go",
		"\t\t\t\tb.Sleep(manualWait)", "\t\t\t\tb.Sleep(0)", exploreSMP},
	{"given up and not reset", "kernel/smp/batch.go",
		"\t\t\terr := b.SendINIT(s.APICID)", "\t\t\tvar err error", exploreSMP},
	{"late in the page", "kernel/smp/batch.go",
		"if st.Stage >= trampoline.StageFoundBlock &&", "if slot >= trampoline.StageRealMode16 &&", exploreSMP},
	{"joined and called silent", "kernel/smp/batch.go",
		"if err == nil || b.State(s.cpu).State < percpu.Ready {", "if _ = err; st.State != percpu.Online {", exploreSMP},
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
		"await(c, to, to.FlushRequests.Load(), set)", "_ = to", exploreMem},
	{"answered and not flushed", "kernel/mem/tlb.go",
		"\tflushPosted(c) // after", "\t// after", exploreMem},
	{"a CPU that waits does not answer", "kernel/mem/tlb.go",
		"\t\tAnswer(c)\n\t\tatom.Pause()", "\t\tatom.Pause()", exploreMem},
	{"a request without an IPI", "kernel/mem/tlb.go",
		"\t\trequest(to)\n\t\treturn true\n", "\t\trequest(to)\n\t\treturn false\n", exploreMem},
	{"a request, and then its pages", "kernel/mem/tlb.go",
		"\t\tpost(to, what)\n\t\trequest(to)\n", "\t\trequest(to)\n\t\tpost(to, what)\n", exploreMem},
	{"a CPU that has become busy is taken for a lazy one", "kernel/mem/tlb.go",
		"\treturn to.Lazy.Load() != 0 // again", "\treturn true // again", exploreLazy},
	{"a lazy CPU learns of no flush", "kernel/mem/tlb.go",
		"\traise(&to.FlushLate)\n", "", exploreLazy},
	{"what is late is looked for before Lazy is 0", "kernel/mem/space.go",
		"\t\tc.Lazy.Store(0) // before FlushLate is read, and before the CPU is in the set\n\t}\n", "\t\tcatchUp(c)\n\t\tc.Lazy.Store(0)\n\t\tback = false\n\t}\n", exploreLazy},
	{"an open request of a lazy CPU", "kernel/mem/tlb.go",
		"\t\tforget(c)\n\t\treload(c)\n\t}\n\tAnswer(c)\n", "\t\tforget(c)\n\t\treload(c)\n\t}\n", exploreLazy},
	{"posted pages are forgotten", "kernel/mem/posted.go",
		"if v := w.Load(); v == uint64(what) || v == 0 && w.CompareAndSwap(0, uint64(what)) {", "if v := w.Load(); v != uint64(everything) {", hostPosted},
	{"many pages one by one", "kernel/mem/posted.go",
		"if all || sum > flushMost || ", "if all || ", hostPosted},

	{"a fault takes rights without a flush", "kernel/mem/fault.go",
		"return (entry|bits)&^pteNoExec | entry&bits&pteNoExec", "return entry&(pteAddr|1<<5|1<<6) | bits", hostMem},

	{"a page fault looks once", "kernel/mem/quick.go",
		"if s.changes.Load() != c.AreaSeq && w.CompareAndSwap(coming, 0) {", "if false {", exploreQuick},
	{"a page fault takes for granted that its page came", "kernel/mem/quick.go",
		"\tw.CompareAndSwap(coming, uint64(*page)|c.AreaBits) //", "\tw.Store(uint64(*page)|c.AreaBits) //", exploreQuick},
	{"a page without rights that looks like one that is coming", "kernel/mem/quick.go",
		"pteHidden | pteComing | pteNoExec", "pteHidden | pteNoExec", exploreQuick},
	{"munmap does not count", "kernel/mem/areas.go",
		"dying = true\n\ts.changes.Add(1)\n", "dying = true\n", exploreQuick},
	{"mprotect does not count", "kernel/mem/areas.go",
		"\ta.prot = prot\n\ts.changes.Add(1)\n", "\ta.prot = prot\n", exploreQuick},
	{"a page that two CPUs take", "kernel/mem/steps.go",
		"if v := word(e).Swap(0); v != 0 {", "if v := word(e).Load(); v != 0 {\n\t\t\tword(e).Store(0)", exploreDrop},
	{"rights that overwrite", "kernel/mem/steps.go",
		"if word(e).CompareAndSwap(was, now) {", "if word(e).Swap(now); true {", exploreQuick},

	// Areas of a space.
	{"a table above another thread's is freed", "kernel/mem/steps.go",
		"bare = empty(tableOf(*e))", "bare = true", exploreParts},
	{"an area that lacks an end", "kernel/mem/areas.go",
		"missing(a, start, end) <= k.n {", "missing(a, start, end) <= k.n+1 {", hostMem},
	{"neighbours of any rights", "kernel/mem/areas.go",
		"|| a.prot != b.prot ||", "||", hostMem},
	{"a hole that is too small", "kernel/mem/holes.go",
		"if a.start() >= before && a.start()-before >= size {", "if a.start() >= before && a.start() > before {", hostMem},

	// Threads.
	{"look, then announce", "kernel/sched/idle.go",
		"\tidle.Set(c.ID)\n\tnext := local(c).next(c, local(c).idle, leaveIdle, counter())\n\tif next == nil {\n\t\tnext = steal(c)\n\t}\n",
		"\tnext := local(c).next(c, local(c).idle, leaveIdle, counter())\n\tif next == nil {\n\t\tnext = steal(c)\n\t}\n\tidle.Set(c.ID)\n", exploreSched},
	{"an idle CPU does not steal", "kernel/sched/idle.go",
		"\t\tnext = steal(c)\n", "", exploreSched},
	{"the token, then the state", "kernel/sched/park.go",
		"\tt.state.Store(stParked)\n\treturn t.token.Load() != 0 &&", "\ttoken := t.token.Load() != 0\n\tt.state.Store(stParked)\n\treturn token &&", exploreSched},
	{"the state, then the token", "kernel/sched/park.go",
		"\tt.token.Store(1)\n\tif t.state.Load() != stParked ||", "\tdefer t.token.Store(1)\n\tif t.state.Load() != stParked ||", exploreSched},
	{"sleep counts as wait", "kernel/sched/park.go",
		"\tt.spans.woke(counter())\n", "", exploreSpans},
	{"a wait that does not end", "kernel/sched/switch.go",
		"\tprev.spans.left(now)\n", "", exploreSpans},
	{"two make it ready", "kernel/sched/park.go",
		"return t.token.Load() != 0 && t.state.CompareAndSwap(stParked, stReady)", "return t.token.Load() != 0 && t.state.Swap(stReady) != stRunning", exploreSched},
	{"a thread left at a busy CPU", "kernel/sched/enqueue.go",
		"\tif id, ok := claim(last); ok {\n\t\tkick(c, percpu.Get(id))", "\tif id, ok := claim(last); ok && id == last {\n\t\tkick(c, percpu.Get(id))", exploreSched},
	{"a thread left beside one that came before it", "kernel/sched/enqueue.go",
		"n > 1 || n == 1 && !better", "n > 1 || n == 0 && !better", exploreClaim},
	{"the second thread of two is not offered", "kernel/sched/enqueue.go",
		"n > 1 || n == 1 && !better", "n == 1 && !better", exploreClaim},
	{"a thread left beside a stolen one", "kernel/sched/near.go",
		"\t\toffer(c, local(c))\n", "", exploreClaim},
	{"a thread beside one that runs is not seen", "kernel/sched/queue.go",
		"(n > 1 || q.running.Load() != levelIdle)", "n > 1", exploreSched},
	{"an empty queue by one look", "kernel/sched/queue.go",
		"\tif q.count.Load() == 0 {\n\t\tq.spare", "\t{\n\t\tq.spare", exploreClaim},
	{"a claimed CPU keeps to its thread", "kernel/sched/idle.go",
		"\t\twakeIdle(c, c.ID)\n", "", exploreClaim},
	{"the end of a list is lost", "kernel/list/list.go",
		"prev.next, next.prev = next, prev", "prev.next = next", hostList},
	{"the same thread goes again", "kernel/sched/balance.go",
		"runs.share.moved < s.moved", "runs.share.moved > s.moved", exploreLoad},
	{"the same CPU has one more", "kernel/sched/balance.go",
		"x.crowded < y.crowded", "x.crowded > y.crowded", exploreLoad},
	{"a bound thread is pushed", "kernel/sched/balance.go",
		"!t.may(v.id) || own <= v.load", "own <= v.load", exploreLoad},
	{"a weight that joins is not seen", "kernel/sched/fair.go",
		"f.seen.Publish(load)", "", exploreLoad},
	{"a bound thread is stolen", "kernel/sched/queue.go",
		"t != nil && free && !t.may(c.ID);", "t != nil && free && false;", hostSched},
	{"a thread that is preempted goes to the end", "kernel/sched/queue.go",
		"q.rt.put(t, how != leaveYield)", "q.rt.put(t, false)", hostSched},
	{"real-time without a cap", "kernel/sched/cap.go",
		"k.owed = min(k.owed+d/capPart, capMost)", "k.owed += 0", hostSched},
	{"a new level beside the sums", "kernel/sched/policy.go",
		"\t\tf.part(&t.share)\n", "", explorePolicy},
	{"a level is empty too early", "kernel/sched/realtime.go",
		"\tif l.First() == nil {\n", "\t{\n", hostSched},
	{"a debt is forgotten", "kernel/sched/fair.go",
		"max(min(away, 2*most), -most)", "max(min(away, 0), -most)", hostSched},
	{"a thread is left in the sums", "kernel/sched/fair.go",
		"\tf.sum -= int64(s.weight) * int64(s.v-f.zero)\n", "", hostSched},
	{"the weight does not count", "kernel/sched/fair.go",
		"return ns * unit / weight", "return ns", hostSched},
	{"the earliest deadline, eligible or not", "kernel/sched/fair.go",
		"n.Left != nil && shareOf(n.Left).least <= limit", "n.Left != nil", hostSched},
	{"a yield keeps its claim", "kernel/sched/fair.go",
		"max(s.v, f.zero+uint64(rest/others))", "s.v+0*uint64(rest/others)", hostSched},
	{"a thread that was alone owes its time", "kernel/sched/fair.go",
		"min(uint64(clock.Span(uint64(ticks))), longest())", "uint64(clock.Span(uint64(ticks)))", hostSched},
	{"a new thread owes nothing", "kernel/sched/fair.go",
		"max(int64(f.died-average), 0)", "0", hostSched},
	{"what a node notes stays after its place is taken", "kernel/tree/tree.go",
		"\t\tt.Refresh(next)\n\t\tt.Changed(next.parent)\n", "", hostTree},
	{"a timer is forgotten", "kernel/sched/timer.go",
		"first = unit << unitShift", "first = uint64(clock.Never)", hostSched},
	{"moved timers compared before the lock", "kernel/sched/timer.go",
		"\tlock.LockPair(c, &first.mu, &second.mu)\n\tbefore := to.earliest()\n", "\tbefore := to.earliest()\n\tlock.LockPair(c, &first.mu, &second.mu)\n", exploreTick},
	{"no tick for what an idle CPU leaves in its queue", "kernel/sched/switch.go",
		"q.count.Load() > 0 || t.limited()", "t.limited()", exploreTick},
	{"as many timers as are due", "kernel/sched/timer.go",
		"n < maxExpired &&", "n >= 0 &&", hostSched},
	{"a mutex freed for a waiter", "kernel/sched/mutex.go",
		"\t\tt.granted = true\n", "\t\tt.granted = true\n\t\tm.held = false\n", hostSched},
	{"the last waiter first", "kernel/sched/mutex.go",
		"\tn := m.waiters.First()\n", "\tn := m.waiters.First()\n\tfor n != nil && m.waiters.Next(n) != nil {\n\t\tn = m.waiters.Next(n)\n\t}\n", hostSched},
	{"a mutex is never handed over", "kernel/sched/mutex.go",
		"if m.passed >= mostPassed {", "if false {", hostSched},

	// System calls.
	{"a waiter woken and left", "kernel/linux/futex.go",
		"\t\t\tb.leave(c, w)\n", "", hostLinux},
	{"all at the address, or near", "kernel/linux/futexqueue.go",
		"n != nil && uintptr(n.Key) == addr {", "n != nil {", hostLinux},
	{"a waker forgets its place", "kernel/linux/futex.go",
		"\t\tnode = q.tasks.Next(&t.Wait)\n\t\tb.leave", "\t\tb.leave", hostLinux},
	{"the last waiter takes a spare", "kernel/linux/futexqueue.go",
		"\tk := q.lent.Pop()\n", "\tk := q.lent.Top()\n", hostLinux},
	{"one more than requested", "kernel/linux/futex.go",
		"node != nil && woken < n;", "node != nil && woken <= n;", hostLinux},
	{"reported twice", "kernel/linux/watch.go",
		"if !w.reporting.Linked() {", "if true {", hostLinux},
	{"freed while a collector works on it", "kernel/linux/watch.go",
		"return w.busy == 0", "return true", hostLinux},
	{"a spent watch reports again", "kernel/linux/watch.go",
		"if w.events&ch.key != 0 && !w.spent {", "if w.events&ch.key != 0 {", hostLinux},
	{"the watches of a second step are forgotten", "kernel/linux/change.go",
		"if ch.batch(c, f) && f.refs.TryGet() {", "if ch.batch(c, f) && false {", hostLinux},
	{"the last note comes first", "kernel/list/list.go",
		"\tif q.last == nil {\n\t\tq.first = k\n\t} else {\n\t\tq.last.below = k\n\t}\n\tq.last = k\n", "\tk.below, q.first = q.first, k\n", hostLinux},
	{"an epoll is noted once for all", "kernel/linux/change.go",
		"	ep.noted = false\n", "", hostLinux},
	{"a full pipe takes more", "kernel/linux/pipe.go",
		"if !p.ring.full() {", "if true {", hostLinux},
	{"a pipe's own end", "kernel/linux/pipe.go",
		"open := p.ends[1-f.end()] != nil", "open := p.ends[f.end()] != nil", hostLinux},
	{"a byte beyond the page", "kernel/linux/ring.go",
		"last.off+last.n+n <= layout.PageSize", "last.off+last.n+n <= layout.PageSize+1", hostLinux},
	{"a signal takes the turn along", "kernel/linux/turn.go",
		"for e == 0 && q.holder != t {\n\t\tif t.interrupted() {\n\t\t\tq.queue.Remove(&t.Wait)\n",
		"for e == 0 && (q.holder != t || t.interrupted()) {\n\t\tif t.interrupted() {\n\t\t\tif t.Wait.Linked() {\n\t\t\t\tq.queue.Remove(&t.Wait)\n\t\t\t}\n", exploreTurn},
	{"the next turn is announced after the lock", "kernel/linux/turn.go",
		"\t\tnext.Prepare(q.holder.thread()) // under mu: the task cannot leave take before\n\t}\n\tmissed, q.missed = q.missed, false\n\tq.mu.Unlock(c)\n",
		"\t\tdefer sched.Unpark(c, q.holder.thread())\n\t}\n\tmissed, q.missed = q.missed, false\n\tq.mu.Unlock(c)\n", exploreTurn},
	{"the holder is woken after the lock", "kernel/linux/turn.go",
		"\t\tholder.Prepare(q.holder.thread())\n", "\t\tdefer sched.Unpark(c, q.holder.thread())\n", exploreTurn},
	{"a timer that was set anew goes on", "kernel/linux/timer.go",
		"\tif tm.settings == fired {", "\tif true {", exploreSet},
	{"a timer that has fired again goes on", "kernel/linux/timer.go",
		"\tif tm.settings == fired {", "\tif tm.settings == tm.fired {", exploreSet},
	{"a task that ends takes another timer", "kernel/linux/pending.go",
		"\topen := !s.closed\n", "\topen := true\n", exploreSet},
	{"the signal of a timer is taken that may be gone", "kernel/linux/pending.go",
		"\t\tnameHeld(c, unsafe.Pointer(tm))\n\t\tfired", "\t\tfired", exploreSet},
	{"a timer that is to expire has no process", "kernel/linux/timer.go",
		"\t\ttm.proc.refs.Get(c) // from a task of the process\n", "", exploreSet},
	{"a timer is used that may be gone", "kernel/linux/seen.go",
		"\tif w.object.Load() == v {", "\tif true {", exploreSet},
	{"a timer is freed while a CPU uses it", "kernel/linux/timer.go",
		"\tawaitReaders(c, uintptr(unsafe.Pointer(tm)))\n", "", exploreSet},
	{"a task is named that may be gone", "kernel/linux/seen.go",
		"\tif w.object.Load() == v {", "\tif true {", exploreSent},
	{"an idle CPU leaves the hint", "kernel/sched/idleset.go",
		"\tif !s.Has(id) {\n\t\treturn false", "\tif true {\n\t\treturn false", exploreIdle},
	{"the accounts are added once", "kernel/sched/account.go",
		"\t\tif u.ticks.Load() == before {", "\t\tif true {", exploreAccount},
	{"an account is read while it moves", "kernel/sched/account.go",
		"\t\ta.mu.Lock(c)\n\t\tif a.serves(group) {\n\t\t\tn.ticks += a.ticks.Load()", "\t\tn.ticks += a.ticks.Load()\n\t\ta.mu.Lock(c)\n\t\tif a.serves(group) {", exploreAccount},
	{"a group ends the account of the next one", "kernel/sched/account.go",
		"\tif a.serves(group) {\n\t\ta.move()", "\tif true {\n\t\ta.move()", exploreAccount},
	{"a timer in a queue fires", "kernel/linux/timer.go",
		" && tm.armings == 0", "", hostLinux},
	{"a reserved descriptor is open", "kernel/linux/fdchange.go",
		"old != slotReserved", "true", hostLinux},
	{"a slot is freed that a search has passed", "kernel/linux/fdtable.go",
		"\t\tft.free.Store(maxFiles) // a fence; pairs with the swap before freed\n", "", exploreSlot},
	{"a slot is stored that another CPU changes", "kernel/linux/fdtable.go",
		"return w.v.CompareAndSwap(uintptr(old), uintptr(s))", "w.store(s)\n\treturn true", exploreSlot},
	{"a reference to what has ended", "kernel/refs/refs.go",
		"for n := r.n.Load(); n != 0; n = r.n.Load() {", "for n := r.n.Load(); true; n = r.n.Load() {", hostRefs},
	{"the tree of tasks shows too little", "kernel/linux/sigmask.go",
		"t.changeMask(c, mask, true)", "t.changeMask(c, mask, false)", hostLinux},
	{"a signal sent while the tree hides a task", "kernel/linux/sigmask.go",
		"\tif p.pending.bits.Load()&^mask != 0 { // from", "\tif false { // from", exploreMask},
	{"SIGKILL blocked", "kernel/linux/sigmask.go",
		"\tmask &^= unblockable\n", "", hostLinux},
	{"an action is read while it changes", "kernel/linux/actions.go",
		"if n&1 == 0 && at", "if at", exploreAction},
	{"an action changes without a number", "kernel/linux/actions.go",
		"\tat.list[sig].store(a)\n\tat.changes.Add(1)\n", "\tat.list[sig].store(a)\n\tat.changes.Add(^uint64(0))\n", exploreAction},
	{"a blocked signal comes", "kernel/linux/signal.go",
		"t.takeSignal(c, ^t.mask.Load(), &a)", "t.takeSignal(c, ^uint64(0), &a)", hostLinux},
	{"one byte below the alternate stack", "kernel/linux/sigstack.go",
		"return sp > uint64(t.altLow) &&", "return sp >= uint64(t.altLow) &&", hostLinux},
	{"vector state of the program's choice", "kernel/linux/xstate.go",
		"if *bv&^trap.Components() != 0 ||", "if", hostLinux},
	{"bits that MXCSR does not have", "kernel/linux/xstate.go",
		"&^trap.MXCSRMask() != 0", "&^0xffffffff != 0", hostLinux},
	{"reserved bytes of the header", "kernel/linux/xstate.go",
		"\t\tif w != 0 {\n", "\t\tif w == 1 {\n", hostLinux},
	{"bytes of the kernel's stack", "kernel/linux/xstate.go",
		"[xstateSoftware - xstateReserved]byte{}\n", "*(*[xstateSoftware - xstateReserved]byte)(unsafe.Add(p, xstateReserved))\n", hostLinux},
	{"an index that speculation may choose", "kernel/cpu/speculation.go",
		"return i & -below", "return i", "./kernel/cpu"},
	{"a program with the memory of another", "kernel/mem/space.go",
		"return before != 0 && before != s.number", "return before != 0 && before > s.number", hostMem},
	{"denormals are not zero", "kernel/trap/state.go",
		"m != 0 {\n\t\treturn m", "m != 0 {\n\t\treturn m & 0xffbf", hostLinux},
	{"the address of another instruction", "kernel/trap/entry_amd64.s",
		"$0\n\tXRSTOR64 (BX)\n", "$0\n\tMOVL	$-1, AX\n\tXRSTOR64 (BX)\n", hostTrap},
	{"tgkill is remembered", "kernel/linux/pending.go",
		"\ts.tkill &^= b\n", "", hostLinux},
	{"a timer's signal goes with another's", "kernel/linux/pending.go",
		"if s.timer(sig) == nil {", "if true {", hostLinux},
	{"the place of a second signal", "kernel/linux/pending.go",
		"if s.plain&b == 0 {\n\t\ts.plain", "if true {\n\t\ts.plain", hostLinux},
	{"what is pending, then the mask", "kernel/linux/sigmask.go",
		"\tt.mask.Store(mask)\n\tpending := p.pending.bits.Load()\n", "\tpending := p.pending.bits.Load()\n\tt.mask.Store(mask)\n", exploreMask},
	{"not waited for, and then blocked", "kernel/linux/sigmask.go",
		"\tif set == 0 {\n\t\tt.setMask(c, mask) //", "\tif false {\n\t\tt.setMask(c, mask) //", "-tags explore -run TestWaited ./kernel/linux"},
	{"masks, then what is pending", "kernel/linux/sigsend.go",
		"\tp.pending.mu.Lock(c)\n\tp.pending.add(sig, from) // before taker looks at masks: see setMask\n\tp.pending.mu.Unlock(c)\n\tshows := takerShows\n\tif to := p.taker(c, prefer, sig, &shows); to != nil {",
		"\tshows := takerShows\n\tto := p.taker(c, prefer, sig, &shows)\n\tp.pending.mu.Lock(c)\n\tp.pending.add(sig, from)\n\tp.pending.mu.Unlock(c)\n\tif to != nil {", exploreMask},
	{"more tasks that the tree shows too little of than a sender corrects", "kernel/linux/sigmask.go",
		" && p.lazies < lazyTasks {", " {", hostLinux},
	{"a task that looks for its own signals, and then stores its mask", "kernel/linux/sigmask.go",
		"\tt.mask.Store(mask)\n\tpending := p.pending.bits.Load()\n\tif (t.pending.bits.Load()|pending)&^mask != 0 {\n",
		"\town := t.pending.bits.Load()\n\tt.mask.Store(mask)\n\tpending := p.pending.bits.Load()\n\tif (own|pending)&^mask != 0 {\n", exploreSent},
	{"a task's signal is sent without the lock of its set", "kernel/linux/sigsend.go",
		"\t\ts.add(sig, from) // before the look at the mask: see changeMask\n\t\ttakes = t.mask.Load()&bit(sig) == 0\n\t}\n\ts.mu.Unlock(c)\n",
		"\t\ts.mu.Unlock(c)\n\t\ts.add(sig, from)\n\t\ttakes = t.mask.Load()&bit(sig) == 0\n\t} else {\n\t\ts.mu.Unlock(c)\n\t}\n", exploreSent},
	{"masks, then the signal of a timer", "kernel/linux/timer.go",
		"\tp.pending.hold(c, tm) // before taker looks at masks: see setMask\n\tshows := timerShows\n\tif to := p.taker(c, prefer, tm.sig, &shows); to != nil {\n",
		"\tshows := timerShows\n\tto := p.taker(c, prefer, tm.sig, &shows)\n\tp.pending.hold(c, tm)\n\tif to != nil {\n", exploreMask},
	{"a signal that no task takes over", "kernel/linux/sigmask.go",
		"\tp.retarget(c, mask&^old)\n", "", exploreMask},
	{"a handler that hides the task", "kernel/linux/sigmask.go",
		"pending&mask&^old == 0 && shown&^mask == 0 &&", "pending&mask&^old == 0 &&", exploreMask},
	{"a register in the next place", "kernel/trap/state.go",
		"xmmOffset+16*kept[i])", "xmmOffset+16*kept[i]+16)", hostTrap},
	{"one register of another place", "kernel/trap/state.go",
		"[2]uintptr{14, 15}", "[2]uintptr{15, 14}", "./tools/layers"},
	{"CS of ring 0", "kernel/linux/sigreturn.go",
		"case cs != cpu.UserCS:", "case cs == cpu.UserSS:", hostLinux},
	{"an address that IRET does not take", "kernel/linux/sigreturn.go",
		"case uc.regs.ip < 1<<47:", "case uc.regs.ip <= 1<<47:", hostLinux},
	{"two registers changed over", "kernel/linux/sigframe.go",
		"r.sp, r.ip, r.flags = f.SP, f.IP, f.Flags", "r.sp, r.ip, r.flags = f.IP, f.SP, f.Flags", hostLinux},

	// Lifetime: counts, ends of programs, files, timers, stacks and spaces.
	{"the last reference but one", "kernel/refs/refs.go",
		"return n == 0", "return n <= 1", hostRefs},
	{"raised from zero, and unnoticed", "kernel/refs/refs.go",
		"if n := r.n.Add(1); n-2 > limit { // 0 and 1, too", "if n := r.n.Add(1); n-1 > limit {", hostRefs},
	{"given up twice, and unnoticed", "kernel/refs/refs.go",
		"if n > limit { // below zero, too", "if n > limit && n != ^uint32(0) {", hostRefs},
	{"a read under the lock beside one that copies", "kernel/linux/pipenow.go",
		"whole && !p.taking &&", "whole &&", exploreRead},
	{"a read of input that takes what it did not copy", "kernel/linux/stdio.go",
		"console.Stdio.Drop(c, n)", "console.Stdio.Drop(c, k)", exploreRead},
	{"a watch without a reference to its epoll", "kernel/linux/watch.go",
		"\tw.ep.refs.Get(c)\n", "", exploreFile},
	{"a collector takes a file that is ending", "kernel/linux/epoll.go",
		"if w.file.refs.TryGet() {", "if w.file.refs.Get(c); true {", exploreFile},
	{"a clear takes a file that is ending", "kernel/linux/epoll.go",
		"if !f.refs.TryGet() {", "if f.refs.Get(c); false {", exploreFile},
	{"a note without a reference to its epoll", "kernel/linux/change.go",
		"\t\tep.refs.Get(c)\n", "", exploreFile},
	{"a note takes a file that is ending", "kernel/linux/change.go",
		"f != nil && !f.refs.TryGet() {", "f != nil && func() bool { f.refs.Get(c); return false }() {", exploreFile},
	{"a task comes to a process that ends", "kernel/linux/task.go",
		"\t\tif p.exiting.Load() != 0 {\n\t\t\tp.mu.Unlock(c)", "\t\tif false {\n\t\t\tp.mu.Unlock(c)", exploreTask},
	{"each task is the last", "kernel/linux/task.go",
		"last = p.count == 0", "last = p.count <= 1", exploreTask},
	{"a task is found after its end", "kernel/linux/task.go",
		"\ttasks.tree.Remove(&t.idNode)\n", "", exploreProgram},
	{"a program is done, and then in a list", "kernel/linux/process.go",
		"\tp.delist(c)\n\tfreeSpace", "\tdefer p.delist(c)\n\tfreeSpace", exploreProgram},
	{"a program is done before the lock is taken", "kernel/linux/process.go",
		"\tp.mu.Lock(c)\n\tp.done.Store(1)\n", "\tp.done.Store(1)\n\tp.mu.Lock(c)\n", exploreProgram},
	{"a handle given up before the keyboard forgets", "kernel/linux/process.go",
		"\tleaveForeground(c, p)\n\tp.put(c)\n", "\tp.put(c)\n\tleaveForeground(c, p)\n", exploreProgram},
	{"a timer refers to a task that has ended", "kernel/linux/cputime.go",
		"\t\t\t\ttm.disarm(c)\n\t\t\t}\n", "\t\t\t\tt.pending.timers.Remove(&tm.signal)\n\t\t\t}\n", exploreTimer},
	{"the end of a timer forgets its signal", "kernel/linux/timer.go",
		"\t\t\ts.unlist(tm)\n\t\t\tif s.plain", "\t\t\tif s.plain", exploreTimer},
	{"a stack comes back before it is left", "kernel/sched/switch.go",
		"\tc = switchTo(c, prev, next)\n\tfinish(c)\n", "\tfinish(c)\n\tq.how = leaveIdle\n\tc = switchTo(c, prev, next)\n", exploreStack},
	{"a page cleared ahead that is not cleared", "kernel/mem/zeroed.go",
		"\tclearPage(memoryOf(n))\n", "", hostMem},
	{"pages are cleared while memory is counted", "kernel/mem/zeroed.go",
		"frames.counts.Load() == 0 && ", "", exploreCount},
	{"a count does not wait for a CPU that clears", "kernel/mem/recall.go",
		"clears(id) || ", "", exploreCount},
	{"pages of another node are cleared ahead", "kernel/mem/zeroed.go",
		"frames.nodes > 1 && ", "false && ", hostMem},
	{"pages of zeros without an end", "kernel/mem/zeroed.go",
		"k.zero.n >= frames.ahead || ", "", hostMem},
	{"pages are cleared while memory is scarce", "kernel/mem/zeroed.go",
		" || pool.unused.Load() < pool.enough {", " {", hostMem},
	{"pages of zeros stay with their CPU", "kernel/mem/framecache.go",
		"\tputMagazine(c, k.zero)\n", "", hostMem},
	{"pages of zeros are not recalled", "kernel/mem/recall.go",
		" +\n\t\tuint64(atomic.LoadUint32(&k.zero.n))", "", hostMem},
	{"a store to a free page, unnoticed", "kernel/mem/zeroed.go",
		"\t\tcheckZero(c, n)\n", "", debugMem},
	{"no interrupt between two pages", "kernel/sched/idle.go",
		"\t\twindow(c)\n", "", exploreAhead},
	{"pages before a thread", "kernel/sched/idle.go",
		"\t\tq.sendKicks(c)\n\t\treturn q.stays(c)\n", "\t\tq.sendKicks(c)\n\t\treturn true\n", exploreAhead},

	{"a stack's frames are free before the flush", "kernel/mem/pool.go",
		"\tKernel.flush(c)\n\tgone.release(c)\n", "\tgone.release(c)\n\tKernel.flush(c)\n", explorePool},
	{"a stack's memory without a flush", "kernel/mem/pool.go",
		"\tKernel.flush(c)\n", "", explorePool},
	{"in the mask after CR3", "kernel/mem/space.go",
		"\ts.cpus.Set(c.ID) // before CR3: a CPU that unmaps from now on requests a flush from this CPU too\n\tforget(c)\n\tloadRoot(c, s.root)\n", "\tforget(c)\n\tloadRoot(c, s.root)\n\ts.cpus.Set(c.ID)\n", exploreSpace},
	{"out of the mask before CR3", "kernel/mem/space.go",
		"\tloadRoot(c, kernelRoot)\n\tif old != nil {\n\t\tc.Space = 0\n\t\told.settle(c)\n\t\told.cpus.Clear(c.ID)\n\t}\n", "\tif old != nil {\n\t\tc.Space = 0\n\t\told.settle(c)\n\t\told.cpus.Clear(c.ID)\n\t}\n\tloadRoot(c, kernelRoot)\n", exploreSpace},
	{"a CPU keeps a space that it does not need", "kernel/mem/flush.go",
		"case c.Lazy.Load() != 0 && c.Space != 0:", "case c.Lazy.Load() == 2:", exploreSpace},
	{"a space is freed without a flush", "kernel/mem/space.go",
		"\tLeaveUser(c)\n\tflushOthers(c, s.cpus, everything, lazyToo)\n", "\tLeaveUser(c)\n", exploreSpace},

	// The ordered tree.
	{"a rotation less", "kernel/tree/tree.go",
		"if n.Left.lean() > 0 {", "if n.Left.lean() > 1 {", hostTree},
	{"a height of another place", "kernel/tree/tree.go",
		"next.height = n.height //", "//", hostTree},
	{"mending begins too high", "kernel/tree/tree.go",
		"lowest = next.parent\n", "lowest = n.parent\n", hostTree},
	{"what a node stores is old above a change", "kernel/tree/tree.go",
		"\tfor n != nil && t.Refresh(n) {\n\t\tn = n.parent\n", "\tif n != nil {\n\t\tt.Refresh(n)\n", hostTree},
	{"no refresh above the last change of height", "kernel/tree/tree.go",
		"\t\t\t\tt.Changed(n.parent)\n", "\t\t\t\t_ = n.parent\n", hostTree},
	{"a subtree with a hole is passed over", "kernel/mem/holes.go",
		"a.gap >= size || a.low", "a.gap > size || a.low", hostMem},

	// Memory that comes back.
	{"a table with an area is freed", "kernel/mem/steps.go",
		"a == nil || a.start() >= end", "a == nil || a.start() > start", hostMem},
	{"a table without an area stays", "kernel/mem/steps.go",
		"at := roundDown(start, size)", "at := roundUp(start, size)", hostMem},
	{"an empty slab stays", "kernel/mem/cache.go",
		"if k.empty == 0 {", "if k.empty <= 1 {", hostMem},
	{"the empty slab is forgotten", "kernel/mem/cache.go",
		"if s.used == 0 {", "if s.used > k.each {", hostMem},
	{"a full slab is lost", "kernel/mem/cache.go",
		"\tif s.free.Top() == nil {\n\t\tk.partial.Push", "\tif s.used == 0 {\n\t\tk.partial.Push", hostMem},
	{"poison that is not read", "kernel/mem/poison.go",
		"v != poison {", "v == 0 {", debugMem},
	{"poison that looks like a free lock", "kernel/mem/poison.go",
		"0x6badfeed_deadf4ee", "0x6b000001_6b000001", debugMem},
	{"freed twice, unnoticed", "kernel/mem/poison.go",
		"if h == o {", "if h == nil {", debugMem},
	{"freed twice, late and unnoticed", "kernel/mem/poison.go",
		"return k.isPoison(o)", "return false", debugMem},
	{"an object for two CPUs", "kernel/mem/objects.go",
		"ptr[objects](caches.own.On(id) +", "ptr[objects](caches.own.On(0) +", hostMem},
	{"objects that stay when a CPU gives back", "kernel/mem/objects.go",
		"own.n > left; own.n-- {", "own.n > left+1; own.n-- {", hostMem},
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
