package lock

// Rank orders the locks: a CPU that holds one takes only locks of higher rank.
// Debug builds compare every acquire with this list.
type Rank uint8

// Ranks, outermost first. Each line names the lock and the calls out of its
// critical section.
const (
	RankPrograms  Rank = iota + 1 // linux.programs.mu: ends a program; linux.foreground.mu: posts signals
	RankProcess                   // linux.Process.mu; wakes threads, posts signals
	RankTasks                     // linux.tasks.mu: the tree of thread ids
	RankTimerPart                 // linux.timerPart.mu: a part of a process's timers
	RankTimer                     // linux.timer.mu: arms timers, changes sets of pending signals
	RankSignals                   // linux.pendingSet.mu: the signals that wait for a task or a process
	RankFutexMove                 // linux.futexTable.moves: a task between two buckets
	RankFutex                     // linux.futexBucket.mu; wakes threads
	RankMutex                     // sched.Mutex.mu, linux.turn.mu; wake threads
	RankFile                      // linux.File.mu, linux.pipe.mu, linux.fileTable.mu; wakes threads, reports to epolls
	RankEpoll                     // linux.epoll.mu; wakes threads
	RankSpace                     // mem.Space.mu; allocates frames
	RankTimers                    // sched.timerQueue.mu; wakes threads
	RankThread                    // sched.binding.mu: the CPUs of a thread
	RankRunQueue                  // sched.runQueue.mu
	RankAccount                   // sched.account.mu: CPU time that moves to a group
	RankPerCPU                    // mem.perCPU.mu; allocates a chunk, maps pages
	RankCache                     // mem.Cache.mu, sched.stacks.mu; allocate frames
	RankMap                       // mem.mapped.mu; allocates frames
	RankFrames                    // mem.zone.mu
	RankIOAPIC                    // apic.IOAPIC.mu: the register pair; intr.mu
	RankRandom                    // random.mu
	RankConsole                   // console.mu, console.Port.mu; last, so a report prints under any lock
	Ranks
)

// rankNames are the names of the classes of locks, one for each rank.
var rankNames = [Ranks]string{
	RankPrograms: "programs", RankProcess: "process", RankTasks: "tasks", RankTimerPart: "timer-part", RankTimer: "timer", RankSignals: "signals", RankFutexMove: "futex-move", RankFutex: "futex",
	RankMutex: "mutex", RankFile: "file", RankEpoll: "epoll", RankSpace: "space", RankTimers: "timers", RankThread: "thread", RankRunQueue: "run-queue",
	RankAccount: "account", RankPerCPU: "per-cpu", RankCache: "cache", RankMap: "map", RankFrames: "frames", RankIOAPIC: "interrupt-lines", RankRandom: "random",
	RankConsole: "console",
}

// Class returns the name of the class of locks with a rank. (A method String would bring a wrapper
// into the kernel that calls the runtime.)
func Class(r Rank) string {
	if r < Ranks {
		return rankNames[r]
	}
	return "unknown"
}
