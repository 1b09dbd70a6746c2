package lock

// Rank orders the locks: a CPU that holds one takes only locks of higher rank.
// Debug builds compare every acquire with this list.
type Rank uint8

// Ranks, outermost first. Each line names the lock and the calls out of its
// critical section.
const (
	RankProcess  Rank = iota + 1 // linux.Process.mu; wakes threads, posts signals
	RankTasks                    // linux.tasks.mu: the tree of thread ids; posts signals
	RankFutex                    // linux.futexBucket.mu; wakes threads
	RankMutex                    // sched.Mutex.mu, linux.outputMu; wake threads
	RankFile                     // linux.File.mu; wakes threads, reports to epolls
	RankPipe                     // linux.pipe.mu
	RankEpoll                    // linux.epoll.mu; wakes threads
	RankSpace                    // mem.Space.mu; allocates frames
	RankTimers                   // sched.timerQueue.mu; wakes threads
	RankRunQueue                 // sched.runQueue.mu
	RankPerCPU                   // mem.perCPU.mu; allocates a chunk, maps pages
	RankCache                    // mem.Cache.mu, sched.stacks.mu; allocate frames
	RankMap                      // mem.mapped.mu; allocates frames
	RankFrames                   // mem.frames.mu
	RankIOAPIC                   // apic.IOAPIC.mu: the register pair; intr.mu
	RankConsole                  // console.mu; last, so a report prints under any lock
)
