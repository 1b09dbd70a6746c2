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
	for i := range n { // copy would use vector registers
		r.buf[(int(r.tail)+i)&(len(r.buf)-1)] = p[i]
	}
	r.tail += uint32(n)
	return n
}

// bare says that no carriage returns are added: the other end is not a terminal.
var bare bool

// OmitReturns ends the adding of carriage returns.
//
// Context: boot CPU, before any output.
func OmitReturns() { bare = true }

// putText is put with a carriage return before each line feed, as a serial
// terminal needs.
func (r *ring) putText(p []byte) int {
	if bare {
		return r.put(p)
	}
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

// AddReturns copies src to dst, which has twice the room, with a carriage return before
// each line feed, as putText does. It returns the number of bytes.
func AddReturns(dst, src []byte) (n int) {
	for _, b := range src {
		if b == '\n' && !bare {
			dst[n] = '\r'
			n++
		}
		dst[n] = b
		n++
	}
	return n
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

// peek copies the first bytes to p, as many as there are and fit, and returns their
// number.
func (r *ring) peek(p []byte) int {
	n := min(len(p), r.len())
	for i := range n { // copy would use vector registers
		p[i] = r.buf[(int(r.head)+i)&(len(r.buf)-1)]
	}
	return n
}

// drop removes the first n bytes.
func (r *ring) drop(n int) { r.head += uint32(min(n, r.len())) }

// take moves up to len(p) bytes to p and returns their number.
func (r *ring) take(p []byte) int {
	n := min(len(p), r.len())
	for i := range n {
		p[i], _ = r.get()
	}
	return n
}
