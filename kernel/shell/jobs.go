package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"muster/kernel/near"
)

// Programs that run in ring 3: run, jobs, kill, wait.

// Program is a program that Start started.
type Program interface {
	Number() int // of its process
	Wait() int   // once; returns the status
	Signal(signal syscall.Signal) error
}

// ErrNoProgram is the error of Start for an unknown name.
var ErrNoProgram = errors.New("no program of this name")

// Job is a row of the jobs listing.
type Job struct {
	Job     int      `json:"job"`
	Process int      `json:"process"`
	State   string   `json:"state"` // running or ended
	Status  int      `json:"status"`
	Args    []string `json:"args"`
}

// job is a program in the background, or the one in the foreground.
type job struct {
	Job
	program Program
	ended   chan struct{} // closed when State and Status say so
}

// jobs are the programs that were not yet listed as ended.
type jobs struct {
	mu   sync.Mutex
	list []*job // by number
}

// add makes a job of a program, with the lowest free number.
func (js *jobs) add(p Program, args []string) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	j := &job{Job: Job{Job: 1, Process: p.Number(), State: "running", Args: args}, program: p, ended: make(chan struct{})}
	at := 0
	for ; at < len(js.list) && js.list[at].Job.Job == j.Job.Job; at++ {
		j.Job.Job++
	}
	js.list = slices.Insert(js.list, at, j)
	go func() {
		status := p.Wait()
		js.mu.Lock()
		j.State, j.Status = "ended", status
		js.mu.Unlock()
		close(j.ended)
	}()
	return j
}

// rows returns the jobs, and forgets those that have ended: the caller lists them.
func (js *jobs) rows() (rows []Job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	for _, j := range js.list {
		rows = append(rows, j.Job)
	}
	js.list = slices.DeleteFunc(js.list, func(j *job) bool { return j.State == "ended" })
	return rows
}

// drop forgets a job.
func (js *jobs) drop(j *job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.list = slices.DeleteFunc(js.list, func(other *job) bool { return other == j })
}

// find returns the job that a word means: its number, or its name if one job alone has it.
func (js *jobs) find(word string) (found *job, err error) {
	js.mu.Lock()
	defer js.mu.Unlock()
	var numbers []string
	for _, j := range js.list {
		n := strconv.Itoa(j.Job.Job)
		numbers = append(numbers, n+" "+j.Args[0])
		switch {
		case n == word:
			return j, nil
		case j.Args[0] == word && found != nil:
			return nil, fmt.Errorf("%s is the name of several jobs: give a number; jobs lists them", word)
		case j.Args[0] == word:
			found = j
		}
	}
	switch {
	case found != nil:
		return found, nil
	case len(numbers) == 0:
		return nil, fmt.Errorf("no job %q; there are none", word)
	}
	return nil, fmt.Errorf("no job %q; there are %s", word, strings.Join(numbers, ", "))
}

// runProgram starts a program, in the background with & as the last word. In the foreground it waits for the
// program's end, and control-C sends that program SIGINT and no other one.
func runProgram(ctx context.Context, s *Shell, a args) error {
	return s.runWith(ctx, Standing{}, a.list)
}

// runWith is runProgram with another standing than usual.
func (s *Shell) runWith(ctx context.Context, st Standing, words []string) error {
	background := len(words) > 0 && words[len(words)-1] == "&"
	if background {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return errUsage
	}
	p, err := s.sys.Start(st, words)
	if errors.Is(err, ErrNoProgram) {
		return noProgram(words[0], s.sys.ProgramNames())
	}
	if err != nil {
		return fmt.Errorf("%s not started: %w", words[0], err)
	}
	j := s.jobs.add(p, words)
	if background {
		fmt.Fprintf(s.out, "[%d] process %d\n", j.Job.Job, p.Number())
		return nil
	}
	defer s.jobs.drop(j)
	stop := context.AfterFunc(ctx, func() { p.Signal(syscall.SIGINT) })
	defer stop()
	<-j.ended
	if j.Status != 0 {
		return fmt.Errorf("%s: status %d", words[0], j.Status)
	}
	return nil
}

// noProgram says which programs there are.
func noProgram(name string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("no program %q; the image and the stick have none", name)
	}
	return fmt.Errorf("no program %q%s; there are %s", name, near.Suggest(name, names), strings.Join(names, ", "))
}

func listJobs(_ context.Context, s *Shell, a args) error {
	return list(s, a, s.jobs.rows(), "JOB PROCESS STATE STATUS PROGRAM", func(w io.Writer, j Job) {
		status := ""
		if j.State == "ended" {
			status = strconv.Itoa(j.Status)
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t", j.Job, j.Process, j.State, status, strings.Join(j.Args, " "))
	})
}

// signals are the names that kill accepts beside numbers.
var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
}

// signalNames are the names that may follow a job.
func signalNames(_ *Shell, before []string) []string {
	if len(before) > 1 {
		return nil
	}
	return slices.Collect(maps.Keys(signals))
}

// kill sends a job a signal.
func kill(_ context.Context, s *Shell, a args) error {
	if len(a.list) == 0 {
		return errUsage
	}
	signal := syscall.SIGTERM
	if len(a.list) == 2 {
		name := strings.TrimPrefix(strings.ToUpper(a.list[1]), "SIG")
		n, err := strconv.Atoi(name)
		switch known, ok := signals[name]; {
		case ok:
			signal = known
		case err == nil && n >= 1 && n <= 64:
			signal = syscall.Signal(n)
		default:
			return fmt.Errorf("%q is not a signal: a number from 1 to 64, or a name such as TERM, INT, KILL", a.list[1])
		}
	}
	j, err := s.jobs.find(a.first())
	if err != nil {
		return err
	}
	if err := j.program.Signal(signal); errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("job %d, %s, has ended", j.Job.Job, j.Args[0])
	} else if err != nil {
		return err
	}
	return nil
}

// wait waits for a job, or for all of them. Control-C ends the wait, not the jobs.
func wait(ctx context.Context, s *Shell, a args) error {
	s.jobs.mu.Lock()
	all := slices.Clone(s.jobs.list)
	s.jobs.mu.Unlock()
	if len(a.list) == 1 {
		j, err := s.jobs.find(a.first())
		if err != nil {
			return err
		}
		all = []*job{j}
	}
	for _, j := range all {
		select {
		case <-j.ended:
		case <-ctx.Done():
			return errInterrupted
		}
	}
	return nil
}

// jobNumbers completes kill and wait.
func jobNumbers(s *Shell) (numbers []string) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	for _, j := range s.jobs.list {
		numbers = append(numbers, strconv.Itoa(j.Job.Job))
	}
	return numbers
}
