package sched

import (
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Mutex is a lock that waiters sleep for. It is handed over in order. The zero
// value needs Init.
type Mutex struct {
	mu      lock.Spin
	held    bool
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
	if n := m.waiters.Pop(); n != nil {
		t := Waiter(n)
		t.granted = true
		Unpark(c, t) // under the lock: the thread cannot leave Lock before
	} else {
		m.held = false
	}
	m.mu.Unlock(c)
}
