package persist

import "muster/kernel/mmio"

// store is one store to the range; a test counts them.
var store = mmio.Store32

// bank is where the next record goes.
type bank struct {
	number uintptr
	epoch  uint32
	at     uintptr // offset in the bank
}

// The range of this boot.
var (
	base   uintptr // 0: there is none
	boot   uint32
	log    bank
	report bank
	line   [256]byte // of the report, until it is whole
	length int
)

// Start begins to keep. number is that of this boot. What the range had before is gone.
//
// Context: boot CPU, before there are others.
func Start(va uintptr, number uint32) {
	base, boot = va, number
	for i := range uintptr(banks) {
		store(base+i*BankSize, 0)
	}
	log, report, length = bank{}, bank{}, 0
	log.open(0, 1)
}

// open makes a bank an empty one. The magic number goes last, so until then the bank counts
// as absent.
func (b *bank) open(number uintptr, epoch uint32) {
	*b = bank{number: number, epoch: epoch, at: headWords * 4}
	va := base + number*BankSize
	store(va, 0)
	store(va+b.at, 0)
	s := newSum
	for i, w := range [headSum]uint32{headVersion: version, headBank: uint32(number), headEpoch: epoch, headBoot: boot} {
		if i != headMagic {
			store(va+uintptr(i)*4, w)
			s = s.add(w)
		}
	}
	store(va+headSum*4, s.end())
	store(va, magic)
}

// Log keeps a line of the log, whose text is first and then rest. ns is the time since boot.
//
// Locks: console.mu held; not asserted: package console imports this one.
func Log(cpu uint32, level uint8, ns uint64, first, rest []byte) {
	if base == 0 {
		return
	}
	if !log.add(LogLine, cpu, level, ns, first, rest) {
		log.open(log.number^1, log.epoch+1)
		log.add(LogLine, cpu, level, ns, first, rest)
	}
}

// Report keeps a part of the report of a panic, with its newlines. When its bank is full,
// the rest is lost: what tells most comes first.
//
// Context: the CPU that reports.
func Report(p []byte) {
	if base == 0 {
		return
	}
	if report.at == 0 {
		report.open(reportBank, 1)
	}
	for _, b := range p {
		if b == '\n' || length == len(line) {
			report.add(ReportLine, 0, 0, 0, line[:length], nil)
			length = 0
		}
		if b != '\n' {
			line[length] = b
			length++
		}
	}
}

// add appends a record. It reports false if the bank has no room for it.
func (b *bank) add(kind Kind, cpu uint32, level uint8, ns uint64, first, rest []byte) (ok bool) {
	n := min(len(first)+len(rest), MaxText)
	next := b.at + recWords*4 + uintptr(n+3)&^3
	if next+4 > BankSize {
		return false
	}
	va := base + b.number*BankSize
	store(va+next, 0) // the end, before it can be reached
	head := [recWords]uint32{uint32(n) | uint32(kind)<<16 | uint32(level)<<24, 0, cpu, uint32(ns), uint32(ns >> 32)}
	s := recordSum(b.epoch, uint32(b.at), &head)
	for i := recCPU; i < recWords; i++ {
		store(va+b.at+uintptr(i)*4, head[i])
	}
	for i := 0; i < n; i += 4 {
		w := uint32(0)
		for k := range min(4, n-i) {
			w |= uint32(byteOf(first, rest, i+k)) << (8 * k)
		}
		store(va+b.at+recWords*4+uintptr(i), w)
		s = s.add(w)
	}
	store(va+b.at+recSum*4, s.end())
	store(va+b.at, head[recHead])
	b.at = next
	return true
}

// recordSum returns the sum over a record's words before the text, and over its place. A
// record that a full bank has left behind lies in another epoch.
func recordSum(epoch, at uint32, head *[recWords]uint32) sum {
	s := newSum.add(epoch).add(at)
	for i, w := range head {
		if i != recSum {
			s = s.add(w)
		}
	}
	return s
}

func byteOf(first, rest []byte, i int) byte {
	if i < len(first) {
		return first[i]
	}
	return rest[i-len(first)]
}
