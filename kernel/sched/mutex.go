package sched

import (
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Mutex is a lock whose waiters sleep. The zero value needs Init.
//
// A thread that gives the mutex up wakes the one that has waited longest, but leaves the mutex free: a thread that
// runs takes it meanwhile. If the mutex were handed over each time, it would be held while its next holder waits for a
// CPU, so each use would cost a switch of threads and its wait, once threads have begun to wait (a convoy). To keep
// the wait bounded, the mutex is handed over once others have taken it mostPassed times since the first
// waiter came first.
type Mutex struct {
	mu      lock.Spin
	held    bool
	waking  bool      // the first waiter has been woken, and has not looked yet
	passed  uint8     // times that other threads took the mutex before the first waiter
	holder  uint32    // debug builds: id of the thread that holds it, guarded by mu
	waiters list.List // threads, by Wait
}

// mostPassed is how often a thread that waits for a mutex sees others take it before it is handed over.
const mostPassed = 4

// Init prepares the mutex.
func (m *Mutex) Init() { m.mu.Rank = lock.RankMutex }

// Lock waits for the mutex and takes it.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func (m *Mutex) Lock(c *percpu.CPU) *percpu.CPU {
	m.mu.Lock(c)
	if m.held {
		return m.wait(c)
	}
	m.held = true
	m.setHolder(c.ThreadID)
	if m.waiters.First() != nil {
		m.passed++
	}
	m.mu.Unlock(c)
	return c
}

// wait waits for the mutex and takes it.
//
// Locks: m.mu held; released at the end.
func (m *Mutex) wait(c *percpu.CPU) *percpu.CPU {
	m.mu.AssertHeld(c)
	t := Current(c)
	t.granted = false
	m.waiters.Push(&t.Wait)
	for {
		m.mu.Unlock(c)
		c = Park(c)
		m.mu.Lock(c)
		if t.granted || m.takes(c, t) {
			m.mu.Unlock(c)
			return c
		}
	}
}

// takes gives the mutex to a thread that waits, if it is free.
//
// Locks: m.mu held.
func (m *Mutex) takes(c *percpu.CPU, t *Thread) bool {
	m.mu.AssertHeld(c)
	first := m.waiters.First() == &t.Wait
	if first {
		m.waking = false
	}
	if m.held {
		return false
	}
	m.held = true
	m.setHolder(t.ID)
	m.waiters.Remove(&t.Wait)
	if first {
		m.passed = 0
	} else {
		m.passed++ // a signal has woken t
	}
	return true
}

// Unlock frees the mutex and wakes the thread that has waited longest, or hands it over.
func (m *Mutex) Unlock(c *percpu.CPU) {
	m.mu.Lock(c)
	n := m.waiters.First()
	if n == nil {
		m.held = false
		m.mu.Unlock(c)
		return
	}
	t := Waiter(n)
	ready := m.pass(c, t)
	m.mu.Unlock(c)
	if ready {
		Ready(c, t)
	}
}

// pass is Unlock while t is the first that waits. It reports whether the caller calls Ready.
//
// Locks: m.mu held.
func (m *Mutex) pass(c *percpu.CPU, t *Thread) (ready bool) {
	m.mu.AssertHeld(c)
	if m.passed >= mostPassed {
		m.waiters.Remove(&t.Wait)
		m.passed, m.waking = 0, false
		t.granted = true
		m.setHolder(t.ID)
		return Prepare(t) // under the lock: the thread cannot leave Lock before
	}
	m.held = false
	if m.waking {
		return false
	}
	m.waking = true
	return Prepare(t)
}

// setHolder notes which thread holds the mutex, in debug builds.
func (m *Mutex) setHolder(thread uint32) {
	if lock.Checked {
		m.holder = thread
	}
}

// AssertHeld panics in debug builds unless the current thread of c holds the mutex.
func (m *Mutex) AssertHeld(c *percpu.CPU) {
	if lock.Checked && (!m.held || m.holder != c.ThreadID) {
		upcall.Panic(c, "sched: mutex not held where it must be; thread, last holder", uint64(c.ThreadID), uint64(m.holder))
	}
}
