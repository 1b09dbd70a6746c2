package shell

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/trace"
)

func marked() {}

// traced is a machine whose CPUs have recorded events.
func traced() *fake {
	here := uint64(reflect.ValueOf(marked).Pointer())
	return &fake{events: [2][]Event{
		{
			{TimeNS: 9000, CPU: 0, Seq: 2, Thread: 1, Event: "interrupt", A: 0x0e, B: here},
			{TimeNS: 5000, CPU: 0, Seq: 1, Thread: 2, Event: "switch", A: 1, B: 2},
			{TimeNS: 1000, CPU: 0, Seq: 0, Thread: 2, Event: "wake", A: 1, B: 0},
		},
		{
			{TimeNS: 7000, CPU: 1, Seq: 1, Thread: 3, Event: "syscall", A: 257, B: ^uint64(1)},
			{TimeNS: 3000, CPU: 1, Seq: 0, Thread: 2, Event: "signal", A: 23, B: 3},
		},
	}}
}

// The events of all CPUs come in the order of time, with their meaning.
func TestTrace(t *testing.T) {
	out, err := runOn(traced(), "trace")
	require.NoError(t, err)
	require.Equal(t, `  TIME-US  CPU  THREAD      EVENT
        9    0       1  interrupt 0xe, page fault, at muster/kernel/shell.marked+0x0
        7    1       3    syscall openat = -ENOENT
        5    0       2     switch to thread 1 from thread 2
        3    1       2     signal SIGURG to thread 3
        1    0       2       wake thread 1 put on the queue of cpu 0
`, out)
}

// The listing ends where the command began: the machine's clock stands at 1.5 s.
func TestTraceLeavesItselfOut(t *testing.T) {
	f := traced()
	f.events[0] = append([]Event{
		{TimeNS: 1500e6 + 1, CPU: 0, Seq: 4, Thread: 1, Event: "fault"},
		{TimeNS: 1500e6, CPU: 0, Seq: 3, Thread: 1, Event: "wake"},
	}, f.events[0]...)
	out, err := runOn(f, "trace -json 1")
	require.NoError(t, err)
	var rows []Event
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Len(t, rows, 1)
	require.EqualValues(t, 3, rows[0].Seq, "the event at the command's start is the newest that is shown")
}

func TestTraceFilter(t *testing.T) {
	for line, want := range map[string][]int64{ // to the events' times
		"trace -json":                          {9, 7, 5, 3, 1},
		"trace -json 2":                        {9, 7},
		"trace -json -cpu 1":                   {7, 3},
		"trace -json -cpu=1 1":                 {7},
		"trace -json -thread 2":                {5, 3, 1},
		"trace -json -thread 2 -cpu 0":         {5, 1},
		"trace -json -kind switch":             {5},
		"trace -json -kind SWITCH,wake":        {5, 1},
		"trace -json -kind exit":               {},
		"trace --json --kind signal --cpu 1 9": {3},
	} {
		out, err := runOn(traced(), line)
		require.NoError(t, err, line)
		var rows []Event
		require.NoError(t, json.Unmarshal([]byte(out), &rows))
		got := []int64{}
		for _, e := range rows {
			got = append(got, e.TimeNS/1000)
			require.NotEmpty(t, e.Text)
		}
		require.Equal(t, want, got, line)
	}
	for line, want := range map[string]string{
		"trace x":           `trace: "x" is not a number of events`,
		"trace 1 2":         "trace: \"2\" is one word too many; usage: trace [-kind NAME] [-cpu N] [-thread N] [-json] [N]",
		"trace -cpu 2":      "trace: there is no CPU 2",
		"trace -cpu x":      `trace: "x" is not a CPU number`,
		"trace -cpu":        "trace: option -cpu needs a value, N; usage: trace ",
		"trace -thread -1":  `trace: "-1" is not a thread number`,
		"trace -kind swich": `trace: no kind "swich", nearest is "switch"; the kinds are switch, wake,`,
	} {
		out, err := runOn(traced(), line)
		require.Error(t, err, line)
		require.True(t, strings.HasPrefix(out, want), out)
	}
	out, err := runOn(&fake{}, "trace -kind syscall")
	require.NoError(t, err)
	require.Contains(t, out, "trace=all")
}

// Every kind of event has a text of its own.
func TestEventTexts(t *testing.T) {
	for _, tc := range []struct {
		event string
		a, b  uint64
		want  string
	}{
		{"exception", 0, 0x1234, "0x0, divide error, at 0x1234 in ring 3"},
		{"interrupt", 0x77, 1 << 63, "0x77, device, at 0x8000000000000000"},
		{"ipi", 0xff, 3, "to cpu 3"},
		{"ipi", 0xff, 1<<32 | 0x10003, "to logical destination 0x10003"},
		{"flush", 12, 0, "TLB flush number 12 done"},
		{"fault", 0x1000, trace.FaultAt(0x401000, 2), "page fault at 0x1000: write of a page that is not there, at 0x401000"},
		{"fault", 0x1000, trace.FaultAt(0x401000, 5), "page fault at 0x1000: read by ring 3 of a page that forbids it, at 0x401000"},
		{"fault", 0x1000, trace.FaultAt(0x401000, 0x11), "page fault at 0x1000: instruction fetch of a page that forbids it, at 0x401000"},
		{"fault", 0x1000, trace.FaultAt(0x401000, 9), "page fault at 0x1000: read of an entry with a reserved bit, at 0x401000"},
		{"signal", 99, 1, "signal 99 to thread 1"},
		{"syscall", 39, 4, "getpid = 0x4"},
		{"syscall", 999, 1, "number 999 = 0x1"},
		{"start", 1, 2, "cpu 2 reached stage 1, "},
		{"exit", 5, 3, "thread 5, status 3"},
		{"mark", 1, 2, "0x1 0x2"},
	} {
		require.Contains(t, eventText(Event{Event: tc.event, A: tc.a, B: tc.b}), tc.want)
	}
	for _, k := range kindNames(nil) {
		plain := eventText(Event{Event: k, A: 1, B: 2})
		require.Equal(t, k == "mark", plain == "0x1 0x2", "%s: %s", k, plain)
	}
}

// Every system call that the kernel answers has a name, and the name is Linux's.
func TestSystemCallNames(t *testing.T) {
	answered, named := 0, map[string]int{}
	f, err := parser.ParseFile(token.NewFileSet(), "../linux/syscall.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.BasicLit); ok {
				number, err := strconv.ParseUint(key.Value, 10, 16)
				require.NoError(t, err)
				require.NotEmpty(t, systemCall(number), "system call %d", number)
				answered++
			}
		}
		return true
	})
	require.Greater(t, answered, 80)
	f, err = parser.ParseFile(token.NewFileSet(), filepath.Join(build.Default.GOROOT, "src/syscall/zsysnum_linux_amd64.go"), nil, 0)
	require.NoError(t, err)
	for name, obj := range f.Scope.Objects {
		spec := obj.Decl.(*ast.ValueSpec)
		n, err := strconv.Atoi(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		named[strings.ToLower(strings.TrimPrefix(name, "SYS_"))] = n
	}
	for n, name := range systemCalls {
		if want, ok := named[name]; ok { // Go's list ends before the newest calls
			require.Equal(t, want, int(n), name)
		} else {
			require.Greater(t, n, uint64(300), fmt.Sprint(name))
		}
	}
}
