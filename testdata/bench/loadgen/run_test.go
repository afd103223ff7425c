package loadgen_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/testdata/bench/loadgen"
)

func serve(t *testing.T, h http.HandlerFunc) loadgen.Target {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return loadgen.Target{URL: s.URL}
}

func TestHTTP_Run(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Method+" "+r.URL.Path]++
		switch r.URL.Path {
		case "/x/k1":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/x/k2":
			http.Error(w, "no", http.StatusInternalServerError)
		}
	})
	load := loadgen.HTTP{Target: target, Path: "/x/{k}", Prefix: "k", Conns: 2, Duration: 100 * time.Millisecond}

	t.Run("counts answers, a 429 too", func(t *testing.T) {
		load := load
		load.Keys = 2
		r, err := load.Run(t.Context())
		require.NoError(t, err)
		require.Zero(t, r.Errors, r.FirstError)
		require.Positive(t, r.Ops)
		require.InDelta(t, r.Ops/r.Seconds, r.Rate, 1e-6)
		require.LessOrEqual(t, r.P50, r.P99)
		require.Positive(t, seen["POST /x/k0"])
		require.Positive(t, seen["POST /x/k1"])
	})
	t.Run("counts failures apart", func(t *testing.T) {
		load := load
		load.Keys = 3
		r, err := load.Run(t.Context())
		require.NoError(t, err)
		require.Positive(t, r.Errors)
		require.Equal(t, "500 Internal Server Error: no\n", r.FirstError)
	})
	t.Run("prime asks for every key once", func(t *testing.T) {
		mu.Lock()
		clear(seen)
		mu.Unlock()
		load := load
		load.Path, load.Keys, load.Prime, load.Duration = "/y/{k}", 500, true, time.Nanosecond
		_, err := load.Run(t.Context())
		require.NoError(t, err)
		require.Len(t, seen, 500)
	})
}

func TestTarget_loopback(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://192.0.2.1:80", "http://example.com:80", "https://127.0.0.1:1", "http://127.0.0.1", "::"} {
		_, err := loadgen.HTTP{Target: loadgen.Target{URL: url}}.Run(t.Context())
		require.ErrorContains(t, err, "loadgen: server address", url)
	}
}

func TestCreate_Run(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path]++
	})
	r, err := loadgen.Create{Target: target, Path: "/c/{k}", Conns: 4, N: 100, Prefix: "p"}.Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 100, r.Ops)
	require.Len(t, seen, 100)
	for path, n := range seen {
		require.Equal(t, 1, n, path)
	}
}

// room is a server that broadcasts in order; edit may falsify what the first member gets.
func room(t *testing.T, edit func([]byte) []byte) loadgen.Target {
	var mu sync.Mutex
	var members []*websocket.Conn
	var upgrade websocket.Upgrader
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrade.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		mu.Lock()
		members = append(members, c)
		mu.Unlock()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil {
				return
			}
			mu.Lock()
			for i, m := range members {
				out := b
				if i == 0 {
					out = edit(b)
				}
				_ = m.WriteMessage(kind, out)
			}
			mu.Unlock()
		}
	})
}

func TestRoom_Run(t *testing.T) {
	t.Parallel()
	same := func(b []byte) []byte { return b }
	for _, c := range []struct {
		name         string
		rate         float64
		window, size int
	}{{"closed loop", 0, 1, 0}, {"open loop", 200, 1, 0}, {"many at once", 0, 50, 0}, {"a head of 4 bytes", 0, 20, 126}, {"a head of 10 bytes", 0, 5, 70_000}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := loadgen.Room{Target: room(t, same), Members: 3, Rate: c.rate, Window: c.window, Size: c.size, Duration: 100 * time.Millisecond}.Run(t.Context())
			require.NoError(t, err)
			require.Zero(t, r.Errors, r.FirstError)
			require.Greater(t, r.Broadcasts, float64(c.window), "they come back")
			require.InDelta(t, 3*r.Broadcasts, r.Ops, float64(9*c.window), "each broadcast reaches three, but for those in flight at the edges")
		})
	}
	t.Run("a changed message is an error", func(t *testing.T) {
		t.Parallel()
		r, err := loadgen.Room{Target: room(t, func([]byte) []byte { return []byte("changed") }), Members: 2, Duration: time.Second}.Run(t.Context())
		require.NoError(t, err)
		require.Positive(t, r.Errors)
		require.Contains(t, r.FirstError, `"changed"`)
	})
	t.Run("who cannot join fails the run", func(t *testing.T) {
		t.Parallel()
		_, err := loadgen.Room{Target: serve(t, http.NotFound), Members: 2}.Run(t.Context())
		require.ErrorContains(t, err, "2 of 2 joins failed")
	})
}

func TestColdStart_Run(t *testing.T) {
	t.Parallel()
	addr, err := loadgen.FreePort()
	require.NoError(t, err)
	t.Run("a server that ends fails with its output", func(t *testing.T) {
		_, err := loadgen.ColdStart{URL: "http://" + addr, Path: "/", Command: func() *exec.Cmd { return exec.Command("sh", "-c", "echo the reason; exit 3") }}.Run(t.Context())
		require.ErrorContains(t, err, "exit status 3")
		require.ErrorContains(t, err, "the reason")
	})
	t.Run("an address that is taken is refused", func(t *testing.T) {
		target := serve(t, func(http.ResponseWriter, *http.Request) {})
		_, err := loadgen.ColdStart{URL: target.URL, Command: func() *exec.Cmd { panic("started") }}.Run(t.Context())
		require.ErrorContains(t, err, "something already listens")
	})
}

func TestProcess_Stop(t *testing.T) {
	t.Parallel()
	p, err := loadgen.Start(exec.Command("sh", "-c", "sleep 100 & echo up; wait"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return p.Output() == "up\n" }, 5*time.Second, time.Millisecond)
	began := time.Now()
	p.Stop()
	p.Stop()
	require.Less(t, time.Since(began), 5*time.Second, "all of the group was asked, so that nothing had to be killed")
	require.Eventually(t, func() bool { return len(alive(t, p.PID())) == 0 }, 5*time.Second, time.Millisecond, "nothing of the group is left")
}

// alive are the processes of a group that run; one that has ended may stay listed until its new parent looks.
func alive(t *testing.T, group int) (list []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(b), ") ") // state, parent, group
		if fields := strings.Fields(rest); len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" {
			list = append(list, f)
		}
	}
	return list
}

func TestVerify(t *testing.T) {
	t.Parallel()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	err := loadgen.Verify(t.Context(), target, "v")
	require.ErrorContains(t, err, `verify POST /touch/{k}: got 200 "ok\n", want 200 "{\"calls\":1}"`)
	require.ErrorContains(t, err, "verify /ws/{k}")
	require.NotContains(t, err.Error(), "verify GET /:", "that one answer is right")
}
