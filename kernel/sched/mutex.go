package sched

import (
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Mutex is a lock whose waiters sleep. It is handed over in the order of arrival.
// The zero value needs Init.
type Mutex struct {
	mu      lock.Spin
	held    bool
	holder  uint32    // debug builds: id of the thread that holds it, guarded by mu
	waiters list.List // threads, by Wait
}

// Init prepares the mutex.
func (m *Mutex) Init() { m.mu.Rank = lock.RankMutex }

// Lock waits for the mutex and takes it.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func (m *Mutex) Lock(c *percpu.CPU) *percpu.CPU {
	m.mu.Lock(c)
	if !m.held {
		m.held = true
		m.setHolder(c.ThreadID)
		m.mu.Unlock(c)
		return c
	}
	t := Current(c)
	t.granted = false
	m.waiters.Push(&t.Wait)
	for !t.granted {
		m.mu.Unlock(c)
		c = Park(c)
		m.mu.Lock(c)
	}
	m.mu.Unlock(c)
	return c
}

// Unlock hands the mutex to the thread that has waited longest, or frees it.
func (m *Mutex) Unlock(c *percpu.CPU) {
	m.mu.Lock(c)
	var t *Thread
	ready := false
	if n := m.waiters.Pop(); n != nil {
		t = Waiter(n)
		t.granted = true
		m.setHolder(t.ID)
		ready = Prepare(t) // under the lock: the thread cannot leave Lock before
	} else {
		m.held = false
	}
	m.mu.Unlock(c)
	if ready {
		Ready(c, t)
	}
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
