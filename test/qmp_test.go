//go:build qemu

package test

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// qmp talks to QEMU beside a machine: it presses keys, and plugs devices.
type qmp struct {
	t      *testing.T
	socket string
	conn   net.Conn
	in     *json.Decoder
}

// withQMP returns the arguments that give a machine a socket for QMP, and the other end of
// it, which opens with its first command.
func withQMP(t *testing.T) (q *qmp, args []string) {
	q = &qmp{t: t, socket: filepath.Join(t.TempDir(), "qmp")}
	return q, []string{"--qemu", "-qmp unix:" + q.socket + ",server=on,wait=off"}
}

// reply is what QEMU says: an answer, or an event.
type reply struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
	Event  string
	QMP    json.RawMessage
}

func (q *qmp) open() {
	q.t.Helper()
	var err error
	require.Eventually(q.t, func() bool {
		q.conn, err = net.Dial("unix", q.socket)
		return err == nil
	}, patience.For(10*time.Second), 10*time.Millisecond)
	q.t.Cleanup(func() { q.conn.Close() })
	q.in = json.NewDecoder(q.conn)
	var hello reply
	require.NoError(q.t, q.in.Decode(&hello))
	q.do("qmp_capabilities", nil)
}

// do gives a command, and returns its answer.
func (q *qmp) do(command string, arguments map[string]any) json.RawMessage {
	q.t.Helper()
	if q.conn == nil {
		q.open()
	}
	if arguments == nil {
		arguments = map[string]any{}
	}
	b, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	require.NoError(q.t, err)
	_, err = q.conn.Write(append(b, '\n'))
	require.NoError(q.t, err)
	require.NoError(q.t, q.conn.SetReadDeadline(time.Now().Add(patience.For(20*time.Second))))
	for {
		var m reply
		require.NoError(q.t, q.in.Decode(&m), command)
		if m.Event != "" {
			continue
		}
		require.Nil(q.t, m.Error, command)
		return m.Return
	}
}

// monitor gives a command of QEMU's monitor, and returns its text.
func (q *qmp) monitor(line string) (text string) {
	q.t.Helper()
	require.NoError(q.t, json.Unmarshal(q.do("human-monitor-command", map[string]any{"command-line": line}), &text))
	return text
}

// port reads a port of the machine, and setPort writes one.
func (q *qmp) port(number uint16) (v uint8) {
	q.t.Helper()
	text := q.monitor(fmt.Sprintf("i/xb %#x", number))
	_, value, ok := strings.Cut(text, "= ")
	require.True(q.t, ok, text)
	n, err := strconv.ParseUint(strings.TrimSpace(value), 0, 8)
	require.NoError(q.t, err, text)
	return uint8(n)
}

func (q *qmp) setPort(number uint16, v uint8) {
	q.t.Helper()
	require.Empty(q.t, q.monitor(fmt.Sprintf("o/b %#x %#x", number, v)))
}

// holdMS is how long keys are held, and the pause after them.
const holdMS = 1

// press presses keys together, by QEMU's names of places on the us keyboard: "shift-a".
func (q *qmp) press(chords ...string) *qmp {
	q.t.Helper()
	for _, chord := range chords {
		var keys []map[string]any
		for _, k := range strings.Split(chord, "-") {
			keys = append(keys, map[string]any{"type": "qcode", "data": k})
		}
		q.do("send-key", map[string]any{"keys": keys, "hold-time": holdMS})
	}
	return q
}

// names are QEMU's names of the keys that have a sign.
var names = map[rune]string{' ': "spc", '-': "minus", '\n': "ret", ';': "semicolon", '/': "slash", '.': "dot"}

// text presses the keys for a text, as on the us keyboard.
func (q *qmp) text(text string) *qmp {
	q.t.Helper()
	for _, r := range text {
		switch name := names[r]; {
		case name != "":
			q.press(name)
		case r >= 'A' && r <= 'Z':
			q.press("shift-" + strings.ToLower(string(r)))
		default:
			q.press(string(r))
		}
	}
	return q
}

// key says that a key went down or up.
func (q *qmp) key(name string, down bool) *qmp {
	q.t.Helper()
	q.do("input-send-event", map[string]any{"events": []any{map[string]any{"type": "key",
		"data": map[string]any{"down": down, "key": map[string]any{"type": "qcode", "data": name}}}}})
	return q
}
