package console

// ring is a queue of bytes. len(buf) is a power of two; the counters run on and
// wrap at 2^32.
type ring struct {
	buf        []byte
	head, tail uint32 // next byte to take, next place to fill
}

func (r *ring) len() int { return int(r.tail - r.head) }

func (r *ring) clear() { r.head = r.tail }

// put appends as much of p as fits and returns the number of bytes.
func (r *ring) put(p []byte) int {
	n := min(len(p), len(r.buf)-r.len())
	for i := 0; i < n; {
		at := int(r.tail) & (len(r.buf) - 1)
		k := copy(r.buf[at:], p[i:n])
		r.tail += uint32(k)
		i += k
	}
	return n
}

// putText is put with a carriage return before each line feed, as a serial
// terminal needs.
func (r *ring) putText(p []byte) int {
	for i := 0; i < len(p); {
		if p[i] == '\n' {
			if len(r.buf)-r.len() < 2 {
				return i
			}
			r.putByte('\r')
			r.putByte('\n')
			i++
			continue
		}
		run := i
		for run < len(p) && p[run] != '\n' {
			run++
		}
		n := r.put(p[i:run])
		i += n
		if i < run {
			return i
		}
	}
	return len(p)
}

func (r *ring) putByte(b byte) bool {
	if r.len() == len(r.buf) {
		return false
	}
	r.buf[int(r.tail)&(len(r.buf)-1)] = b
	r.tail++
	return true
}

func (r *ring) get() (b byte, ok bool) {
	if r.head == r.tail {
		return 0, false
	}
	b = r.buf[int(r.head)&(len(r.buf)-1)]
	r.head++
	return b, true
}

// take moves up to len(p) bytes to p and returns their number.
func (r *ring) take(p []byte) int {
	n := min(len(p), r.len())
	for i := range n {
		p[i], _ = r.get()
	}
	return n
}
