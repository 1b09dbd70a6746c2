// Package input brings typed bytes to their reader: it has a queue for the bytes of
// keyboards, and one reader for several sources.
//
// Layer: pure.
// Context: any goroutine.
// Locks: Queue.mu guards the bytes of a queue.
// Chapter: docs/13-devices.md.
package input

import (
	"io"
	"sync"
	"time"
)

// Queue holds typed bytes until they are read. Its size is bounded: what is typed beyond
// that is lost.
type Queue struct {
	mu   sync.Mutex
	more sync.Cond
	buf  []byte
}

// maxQueued is far more than a person types ahead.
const maxQueued = 4096

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	q := &Queue{}
	q.more.L = &q.mu
	return q
}

// Add appends the bytes of a key, all or none. It does not block.
func (q *Queue) Add(p []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buf)+len(p) <= maxQueued {
		q.buf = append(q.buf, p...)
		q.more.Signal()
	}
}

// Read waits until there are bytes, and takes them.
func (q *Queue) Read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buf) == 0 {
		q.more.Wait()
	}
	n := copy(p, q.buf)
	q.buf = q.buf[n:]
	return n, nil
}

// chunk is the result of one Read of a source.
type chunk struct {
	p   []byte
	err error
}

// merged reads what any of its sources brings.
type merged struct {
	in   chan chunk
	rest []byte
}

// Merge returns a reader of all sources together. A source waits until what it brought
// before has been read. An error of one is passed on, and the source is read again after
// a pause. A source that is nil brings nothing.
func Merge(sources ...io.Reader) io.Reader {
	m := &merged{in: make(chan chunk)}
	for _, s := range sources {
		if s != nil {
			go m.copy(s)
		}
	}
	return m
}

// The pause after a failed read, which doubles with each failure in a row.
const (
	pauseFirst = 100 * time.Millisecond
	pauseLast  = 10 * time.Second
)

func (m *merged) copy(s io.Reader) {
	pause := pauseFirst
	for {
		p := make([]byte, 256)
		n, err := s.Read(p)
		m.in <- chunk{p[:n], err}
		if err == nil {
			pause = pauseFirst
			continue
		}
		time.Sleep(pause)
		pause = min(2*pause, pauseLast)
	}
}

// Read waits for the next bytes or the next error.
func (m *merged) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		c := <-m.in
		if c.err != nil && len(c.p) == 0 {
			return 0, c.err
		}
		m.rest = c.p
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}
