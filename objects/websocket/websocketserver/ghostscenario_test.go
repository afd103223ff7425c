//go:build unix

package websocketserver_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
)

// TestGhost is another process, with a tab for each address in DURAGO_GHOST, which ping ten times a second.
func TestGhost(t *testing.T) {
	list := os.Getenv("DURAGO_GHOST")
	if list == "" {
		t.Skip("is run by TestScenario_ghosts")
	}
	var tabs []*gorilla.Conn
	for url := range strings.FieldsSeq(list) {
		c, resp, err := gorilla.DefaultDialer.DialContext(t.Context(), url, nil)
		require.NoError(t, err, "%+v", resp)
		tabs = append(tabs, c)
	}
	fmt.Println("ready")
	for range 1200 { // it is killed before
		for _, c := range tabs {
			if c.WriteMessage(gorilla.TextMessage, []byte(websocket.PingFrame)) != nil {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// haunt starts that process.
func haunt(t *testing.T, urls ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestGhost$")
	c.Env = append(os.Environ(), "DURAGO_GHOST="+strings.Join(urls, " "))
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return c
}

// TestScenario_ghosts has a client's process stopped, so that its connections stay and say nothing, and another killed, on
// the compiled room, which gives them three seconds. Who is gone, and that a user with another tab is not, the others hear.
func TestScenario_ghosts(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest, RealTime: true})
	room := h.Object("WEBSOCKET", "ghost")
	url := func(user string) string {
		return "ws" + strings.TrimPrefix(h.URL, "http") + "/api/websocket?room=ghost&user=" + user
	}
	watch, _ := open(t, h, "eve", "ghost", "", 0)
	here := visit(t, h, "ann", "ghost") // ann's tab that stays
	ended := make(chan struct{})
	pings := make(chan struct{})
	go func() {
		defer close(pings)
		for {
			select {
			case <-ended:
				return
			case <-time.After(100 * time.Millisecond):
				_ = watch.WriteMessage(gorilla.TextMessage, []byte(websocket.PingFrame))
				_ = here.WriteMessage(gorilla.TextMessage, []byte(websocket.PingFrame))
			}
		}
	}()
	defer func() { close(ended); <-pings }()
	users := func() string {
		all, err := websocket.GetUsers.Call(t.Context(), room)
		require.NoError(t, err)
		list := []string{}
		for _, u := range all {
			list = append(list, fmt.Sprint(u.ID, " ", u.Connections))
		}
		return strings.Join(list, ", ")
	}
	// until reads up to so many sessions that leave, and tells who is said to have left then.
	until := func(n int, dead time.Time, how string) (left []string) {
		want := n + 1 // and bob
		for want > 0 {
			m := frame(t, watch.hear())
			switch m["event"] {
			case "session:disconnected":
				t.Logf("%s: a tab of %v is gone after %v", how, m["meta"].(map[string]any)["user_id"], time.Since(dead).Round(time.Millisecond))
				want--
			case "user:left":
				left = append(left, m["user"].(string))
				want--
			}
		}
		return left
	}

	frozen := haunt(t, url("ann"), url("bob"), url("bob"))
	require.Equal(t, "eve 1, ann 2, bob 2", users())
	dead := time.Now()
	require.NoError(t, frozen.Process.Signal(syscall.SIGSTOP))
	require.NoError(t, room.Hibernate())
	require.Equal(t, []string{"bob"}, until(3, dead, "silent"))
	require.Equal(t, "eve 1, ann 1", users())
	require.GreaterOrEqual(t, time.Since(dead), 2*time.Second, "it was silence, and no connection that broke")

	killed := haunt(t, url("bob"), url("ann"))
	require.Equal(t, "eve 1, ann 2, bob 1", users())
	dead = time.Now()
	require.NoError(t, killed.Process.Kill())
	require.Equal(t, []string{"bob"}, until(2, dead, "killed"))
	require.Equal(t, "eve 1, ann 1", users())
}
