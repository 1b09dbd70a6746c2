package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"muster/kernel/abi"
)

// Profile is the result of profile stop. make profile turns it into a file for go tool
// pprof.
type Profile struct {
	Rate    int     `json:"rate"` // samples a second, of each CPU
	SpanNS  int64   `json:"span_ns"`
	CPUs    int     `json:"cpus"`
	Lost    uint64  `json:"lost"`    // samples for which a CPU's buffer had no room
	Missed  uint64  `json:"missed"`  // samples that were not recorded because a CPU was late
	Dropped uint64  `json:"dropped"` // samples of further stacks than a profile has
	Stacks  []Stack `json:"stacks"`
}

// Stack is where a CPU was when samples were recorded.
type Stack struct {
	CPU    int      `json:"cpu"`
	Thread uint32   `json:"thread"`
	Name   string   `json:"name"` // of the thread
	Count  int      `json:"count"`
	PC     []uint64 `json:"pc"` // of an instruction, then the return addresses of its callers; in the lower half, a program's
}

// IdleFunction is the function that an idle CPU is in.
const IdleFunction = "muster/kernel/cpu.Wait"

// InProgram reports whether an address is one of a program.
func InProgram(pc uint64) bool { return pc>>63 == 0 }

const (
	profileRate   = 97                    // no divisor or multiple of the rate of ticks
	profilePeriod = 20 * time.Millisecond // between two looks at the CPUs' buffers
	profileQuiet  = 2 * time.Second       // the longest wait for the last samples
	profilePause  = time.Millisecond      // between two looks for them
	profileLooks  = 10                    // of them, until one for CPUs that have come online
	maxStacks     = 10_000                // different ones, about 4 MB
)

// profiler takes the samples of all CPUs while the machine runs, and counts equal ones.
type profiler struct {
	sys     System
	rate    int
	began   int64
	cpus    []int // that record
	counts  map[sampleKey]int
	dropped uint64
	stop    chan struct{}
	done    chan struct{}
}

// sampleKey is what samples have in common that are counted together.
type sampleKey struct {
	cpu int
	abi.Sample
}

func startProfiler(sys System, rate int) (*profiler, error) {
	p := &profiler{sys: sys, rate: rate, began: sys.Uptime().UpNS, counts: map[sampleKey]int{}, stop: make(chan struct{}), done: make(chan struct{})}
	if err := p.begin(); err != nil {
		stopSampling(sys)
		return nil, err
	}
	go p.run()
	return p, nil
}

// begin makes the CPUs record that are online and do not yet. One that goes offline afterwards, and comes
// online again, goes on by itself.
func (p *profiler) begin() error {
	for _, c := range p.sys.CPUs() {
		if c.State != "online" || slices.Contains(p.cpus, c.CPU) {
			continue
		}
		if err := p.sys.StartProfile(c.CPU, p.rate); err != nil {
			return fmt.Errorf("cpu %d: %w", c.CPU, err)
		}
		p.cpus = append(p.cpus, c.CPU)
	}
	return nil
}

func (p *profiler) run() {
	defer close(p.done)
	tick := time.NewTicker(profilePeriod)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.collect()
		}
		if n%profileLooks == 0 {
			_ = p.begin() // a CPU that cannot begin now is tried again
		}
	}
}

// stopSampling ends the samples of all CPUs, and waits until the last one has come. A CPU that
// does not run now, as its host has other work, may take it later: the wait is bounded.
func stopSampling(sys System) {
	for end := time.Now().Add(profileQuiet); !sys.StopProfile() && time.Now().Before(end); {
		time.Sleep(profilePause)
	}
}

// collect takes what the CPUs have recorded since it last did.
func (p *profiler) collect() {
	for _, cpu := range p.cpus {
		for _, s := range p.sys.Samples(cpu) {
			clear(s.PC[min(int(s.N), len(s.PC)):]) // left from a sample before
			key := sampleKey{cpu, s}
			if _, ok := p.counts[key]; !ok && len(p.counts) == maxStacks {
				p.dropped++
				continue
			}
			p.counts[key]++
		}
	}
}

// end stops the profile and returns it, the most frequent stacks first.
func (p *profiler) end() Profile {
	stopSampling(p.sys)
	close(p.stop)
	<-p.done
	p.collect()
	out := Profile{Rate: p.rate, SpanNS: p.sys.Uptime().UpNS - p.began, CPUs: len(p.cpus), Dropped: p.dropped, Stacks: []Stack{}}
	for _, cpu := range p.cpus {
		n := p.sys.SampleCounts(cpu)
		out.Lost += n.Lost
		out.Missed += n.Busy + n.Late
	}
	for key, count := range p.counts {
		name, _, _ := strings.Cut(string(key.Name[:]), "\x00")
		out.Stacks = append(out.Stacks, Stack{key.cpu, key.Thread, onlyPrintable([]byte(name)), count, slices.Clone(key.PC[:min(int(key.N), len(key.PC))])})
	}
	slices.SortFunc(out.Stacks, func(a, b Stack) int {
		return cmp.Or(b.Count-a.Count, a.CPU-b.CPU, cmp.Compare(a.Thread, b.Thread), slices.Compare(a.PC, b.PC))
	})
	return out
}

// profile is profile start and profile stop.
func profile(_ context.Context, s *Shell, a args) error {
	rate := profileRate
	switch word := a.first(); {
	case word == "stop" && len(a.list) == 1:
		p, err := s.shared.stopProfile()
		switch {
		case err != nil:
			return err
		case a.json:
			return s.printJSON(p)
		}
		return p.print(s.out)
	case word != "start" || a.json:
		return errUsage
	case len(a.list) == 2:
		n, err := strconv.Atoi(a.list[1])
		if err != nil || n < 1 || n > abi.SampleRate {
			return fmt.Errorf("%q is not a number of samples a second from 1 to %d", a.list[1], abi.SampleRate)
		}
		rate = n
	}
	return s.shared.startProfile(s.sys, rate)
}

// startProfile begins a profile, if no session makes one.
func (c *shared) startProfile(sys System, rate int) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.profiler != nil {
		return errors.New("a profile is being made: profile stop ends that")
	}
	c.profiler, err = startProfiler(sys, rate)
	return err
}

// stopProfile ends the profile that any session has begun, and returns it.
func (c *shared) stopProfile() (Profile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.profiler == nil {
		return Profile{}, errors.New("no profile is being made: profile start begins that")
	}
	p := c.profiler.end()
	c.profiler = nil
	return p, nil
}

// profileLines is how many functions the table of profile stop has.
const profileLines = 24

// share is how many samples were recorded in a function itself, and in it or in what it
// has called.
type share struct {
	function  string
	self, all int
}

// print prints the functions in which most samples were recorded.
func (p Profile) print(out io.Writer) error {
	shares := map[string]*share{}
	busy, idle := 0, 0
	for _, st := range p.Stacks {
		names := st.functions(kernelFunctions)
		if len(names) > 0 && names[0] == IdleFunction {
			idle += st.Count
			continue
		}
		busy += st.Count
		for i, name := range names {
			if shares[name] == nil {
				shares[name] = &share{function: name}
			}
			if i == 0 {
				shares[name].self += st.Count
			}
			if !slices.Contains(names[:i], name) {
				shares[name].all += st.Count
			}
		}
	}
	rows := slices.SortedFunc(maps.Values(shares), func(a, b *share) int {
		return cmp.Or(b.self-a.self, b.all-a.all, strings.Compare(a.function, b.function))
	})
	fmt.Fprintf(out, "%d samples of busy CPUs, %d of idle ones, %d a second of each CPU; %s\n", busy, idle, p.Rate, p.note())
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "SELF\t%\tALL\t%\t FUNCTION")
	percent := func(n int) float64 { return 100 * float64(n) / float64(max(busy, 1)) }
	for _, r := range rows[:min(len(rows), profileLines)] {
		fmt.Fprintf(w, "%d\t%.1f\t%d\t%.1f\t %s\n", r.self, percent(r.self), r.all, percent(r.all), r.function)
	}
	return w.Flush()
}

// note says what the profile does not have.
func (p Profile) note() string {
	return fmt.Sprintf("%d lost, %d missed, %d dropped", p.Lost, p.Missed, p.Dropped)
}

// functions returns the names of the functions of a stack, the innermost first. Those of a
// program are one, with the program's name.
func (st Stack) functions(of func(pc uint64) []string) (names []string) {
	for i, pc := range st.PC {
		if InProgram(pc) {
			return append(names, st.Name+" in ring 3")
		}
		if i > 0 {
			pc-- // within the call
		}
		names = append(names, of(pc)...)
	}
	return names
}

// kernelFunctions returns the functions that the compiler has put at an address, the
// innermost first.
func kernelFunctions(pc uint64) (names []string) {
	if runtime.FuncForPC(uintptr(pc)) == nil {
		return []string{fmt.Sprintf("%#x", pc)}
	}
	frames := runtime.CallersFrames([]uintptr{uintptr(pc) + 1}) // it takes return addresses
	for {
		f, more := frames.Next()
		names = append(names, f.Function)
		if !more {
			return names
		}
	}
}
