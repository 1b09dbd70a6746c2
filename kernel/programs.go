package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/exec"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/options"
	"muster/kernel/shell"
)

// program is a module that a program's name belongs to.
type program struct {
	name string // "" for a module without a text
	file []byte
}

// programs returns the modules that are programs, in the loader's order. The text of such a
// module is "program NAME", which GRUB's configuration writes, or empty.
func programs(info *abi.Boot) (list []program) {
	for _, m := range kcall.Slice[abi.Module](info.Modules, info.ModuleCount) {
		words := options.Words(string(kcall.Slice[byte](m.Text, m.TextLength)))
		name := ""
		switch {
		case len(words) == 2 && words[0] == "program":
			name = words[1]
		case len(words) > 0 && words[0] == "config":
			continue // package start has read it
		}
		list = append(list, program{name, kcall.Slice[byte](m.Addr, uintptr(m.End-m.Start))})
	}
	return list
}

// findProgram returns the file of a program: the one with the name, or else the first
// that has none, which qemu-run.sh and QEMU's -initrd bring.
func findProgram(info *abi.Boot, name string) ([]byte, error) {
	list := programs(info)
	for _, p := range list {
		if p.name == name {
			return p.file, nil
		}
	}
	for _, p := range list {
		if p.name == "" {
			return p.file, nil
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the loader brought no module, or an empty one; GRUB has module2 FILE, QEMU -initrd FILE")
	}
	return nil, fmt.Errorf("no program of this name; there are %s", strings.Join(names(list), ", "))
}

// names returns the names of the programs that have one.
func names(list []program) (all []string) {
	for _, p := range list {
		if p.name != "" {
			all = append(all, p.name)
		}
	}
	return all
}

// ProgramNames returns the names of the programs that the loader brought.
func (s *system) ProgramNames() []string { return names(programs(s.info)) }

// Start starts the program of a name. It runs in the background.
func (s *system) Start(standing shell.Standing, args []string) (shell.Program, error) {
	for _, p := range programs(s.info) {
		if p.name == args[0] {
			return start1(inCore(standing), "run", s.terminal, p.file, args, nil)
		}
	}
	return nil, shell.ErrNoProgram
}

// inCore returns a standing in the form of the core.
func inCore(s shell.Standing) (out abi.Standing) {
	out.Nice = int32(s.Nice)
	out.Policy, out.Priority = policyOf(s.Policy)
	if s.CPUs != nil {
		out.Bound, out.CPUs = 1, setOf(s.CPUs)
	}
	return out
}

// policyOf returns the number of a policy, and the priority.
func policyOf(p shell.Policy) (policy uint32, priority int32) {
	policy = map[string]uint32{"FIFO": abi.PolicyFIFO, "RR": abi.PolicyRoundRobin, "idle": abi.PolicyIdle}[p.Class]
	return policy, int32(p.Priority)
}

// SetPolicy sets a thread's policy.
func (s *system) SetPolicy(thread uint32, p shell.Policy) error {
	policy, priority := policyOf(p)
	return kcall.SetThreadPolicy(thread, policy, int(priority))
}

// setOf returns a set of CPUs.
func setOf(cpus []int) (set abi.CPUSet) {
	for _, n := range cpus {
		set[n/64] |= 1 << (n % 64)
	}
	return set
}

// Bind sets the CPUs on which a thread may run, and Nice its nice value.
func (s *system) Bind(thread uint32, cpus []int) error {
	set := setOf(cpus)
	return kcall.SetThreadCPUs(thread, &set)
}

func (s *system) Nice(thread uint32, nice int) error { return kcall.SetThreadNice(thread, nice) }

// running is a program that runs.
type running struct {
	*kcall.Process
	began time.Time
	what  string // the command of the log lines
	args  []string
}

// start1 starts a program and logs it.
func start1(standing abi.Standing, what string, terminal int, file []byte, args, env []string) (*running, error) {
	p, err := exec.StartWith(standing, terminal, file, args, env)
	if err != nil {
		return nil, err
	}
	klog.Infof("%s: process %d is %q", what, p.ID, strings.Join(args, " "))
	return &running{p, time.Now(), what, args}, nil
}

// Number returns the process's id.
func (r *running) Number() int { return r.ID }

// Signal sends a signal.
func (r *running) Signal(signal syscall.Signal) error { return r.Process.Signal(int(signal)) }

// Programs runs the first module several times at once, each with arguments of its
// own, of which the first is the program's name, and returns how each ended. When ctx
// ends, control-C, each program gets SIGINT.
func (s *system) Programs(ctx context.Context, lists [][]string) (statuses []int, err error) {
	var all []*running
	for _, args := range lists {
		file, e := findProgram(s.info, args[0])
		var r *running
		if e == nil {
			r, e = start1(abi.Standing{}, "app", s.terminal, file, args, nil)
		}
		if e != nil {
			err = e
			break
		}
		all = append(all, r)
	}
	stop := context.AfterFunc(ctx, func() {
		for _, r := range all {
			r.Signal(syscall.SIGINT)
		}
	})
	defer stop()
	for _, r := range all {
		statuses = append(statuses, r.Wait())
	}
	return statuses, err
}
