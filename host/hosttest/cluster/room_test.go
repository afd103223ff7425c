package cluster_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestCluster_room: the client of rooms, in Node.js, resumes its session on another machine when the room's is killed: what
// was sent meanwhile is handled once, and heard by all. DURAGO_NODE is the node executable.
func TestCluster_room(t *testing.T) {
	node := os.Getenv("DURAGO_NODE")
	if node == "" || hosttest.WorkerdPath() == "" {
		t.Skip("needs workerd and Node.js: run make conformance")
	}
	c := newCluster(t, 3, "rooms")
	owner := c.machines[0]
	first, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+owner.p.URLs["http"][len("http"):]+"/api/websocket?room=fast-cluster&user=nobody",
		http.Header{"Sec-WebSocket-Protocol": {"durago.room.v1"}})
	require.NoError(t, err, "the room is where it is asked for first")
	defer first.Close()

	cmd := exec.CommandContext(t.Context(), node, "--experimental-transform-types", "--no-warnings", "testdata/room.mts", c.machines[1].p.URLs["http"], c.machines[2].p.URLs["http"])
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "ready", lines.Text())
	began := time.Now()
	owner.p.Kill()
	_, err = io.WriteString(in, "\n")
	require.NoError(t, err)
	require.True(t, lines.Scan())
	took := time.Since(began)
	require.JSONEq(t, `{"heard":[["before","after 0","after 1"],["before","after 0","after 1"]],"order":true,"resumed":[true,true],
		"gaps":[0,0],"same":true,"handled":3}`, lines.Text())
	require.NoError(t, cmd.Wait())
	t.Logf("two clients had resumed and heard each other %s after the room's machine was killed", took.Round(time.Millisecond))
}
