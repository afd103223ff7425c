package hosttest_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

// TestBackup: an object under load is copied, changed and put back, and its alarm with it.
func TestBackup(t *testing.T) {
	t.Parallel()
	h := scenario(t, realTime)
	a := h.Object("HOME", "a")
	h.Fetch("POST", "/count/a", "")
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					h.Do("POST", "/count/a", "").Body.Close()
					h.Do("POST", "/count/b", "").Body.Close()
				}
			}
		})
	}
	dir := t.TempDir()
	for _, name := range []string{"1", "2", "3"} {
		require.NoError(t, a.Backup(filepath.Join(dir, name)))
	}
	close(stop)
	load.Wait()
	_, last := h.Fetch("GET", "/n/a", "")
	ns, _ := h.Namespace("HOME")
	require.NoError(t, h.Restore(t.Context(), "Home", ns.IDFromName("copy"), filepath.Join(dir, "2")))
	_, copied := h.Fetch("GET", "/n/copy", "")
	require.NotEqual(t, "0", copied)
	require.NoError(t, a.Restore(filepath.Join(dir, "2")))
	_, n := h.Fetch("GET", "/n/a", "")
	require.Equal(t, copied, n)
	require.LessOrEqual(t, len(n), len(last))

	h = h.Restart()
	_, n = h.Fetch("GET", "/n/a", "")
	require.Equal(t, copied, n)
	require.ErrorContains(t, h.Object("HOME", "a").Restore(filepath.Join(dir, "none")), "name a file that durago backup has written")
	require.ErrorContains(t, h.Object("HOME", "nobody").Backup(filepath.Join(dir, "4")), "cannot back up nobody of HOME: the object has stored nothing")
	require.ErrorContains(t, h.Backup(t.Context(), "CAR", "a", filepath.Join(dir, "4")), "there is no class or binding CAR: the configuration has Broken, Home")
	_, n = h.Fetch("GET", "/n/a", "")
	require.Equal(t, copied, n)
}

// TestBackup_sockets: a restore drops an object's sockets, as a reset does, and leaves others alone.
func TestBackup_sockets(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	file := filepath.Join(t.TempDir(), "a")
	h.Fetch("POST", "/count/a", "")
	require.NoError(t, h.Object("HOME", "a").Backup(file))
	mine, other := h.Dial("/ws/a"), h.Dial("/ws/b")
	require.NoError(t, h.Object("HOME", "a").Restore(file))
	_, _, err := mine.ReadMessage()
	require.Error(t, err)
	require.NoError(t, other.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, m, err := other.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "hello seen=1 ", string(m)[:len("hello seen=1 ")])
}

// TestBackup_alarm: the alarm of a backup fires.
func TestBackup_alarm(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	a := h.Object("HOME", "a")
	h.Fetch("POST", "/count/a", "")
	h.Fetch("POST", "/count/a", "")
	h.Fetch("POST", "/alarm/a?ms=60000", "")
	file := filepath.Join(t.TempDir(), "a")
	require.NoError(t, a.Backup(file))
	h.Advance(2 * time.Minute)
	_, n := h.Fetch("GET", "/n/a", "")
	require.Equal(t, "102", n)
	h.Fetch("POST", "/count/a", "")
	require.NoError(t, a.Restore(file))
	h.Advance(time.Second)
	_, n = h.Fetch("GET", "/n/a", "")
	require.Equal(t, "102", n, "it was due long ago")
}

// TestBackup_workerd: a backup is a file that workerd takes, and a file of workerd's one that can be restored.
func TestBackup_workerd(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	t.Parallel()
	h := scenario(t, realTime)
	fill(t, h, 1)
	want := contents(t, h, 1)
	file := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, h.Object("HOME", "object1").Backup(file))

	c, err := wrangler.Load("../../testdata/guests/scenario/wrangler.toml")
	require.NoError(t, err)
	o := hosttest.Options{Config: c.File, Workerd: true, Dir: filepath.Join(t.TempDir(), "state")}
	ns, _ := h.Namespace("HOME")
	placed := filepath.Join(o.Dir, ns.UniqueKey, ns.IDFromName("object1")+".sqlite")
	require.NoError(t, os.MkdirAll(filepath.Dir(placed), 0o755))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(placed, b, 0o644))
	w := hosttest.Start(t, o)
	require.Equal(t, want, contents(t, w, 1))
	answer(t, w, "POST", "/count/object1", "")
	want = contents(t, w, 1)
	w.Stop()
	require.NoError(t, h.Object("HOME", "object1").Restore(placed))
	require.Equal(t, want, contents(t, h, 1))
}
