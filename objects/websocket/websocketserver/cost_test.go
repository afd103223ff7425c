//go:build !js

package websocketserver_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
	"durago.example/wasm/abi"
)

// expense is what a host and its guests take, in bytes but for the goroutines.
type expense struct{ heap, guest, linear, goroutines int64 }

func expenses(t *testing.T, h *hosttest.Host) (e expense) {
	t.Helper()
	h.Settle()
	for _, g := range h.Guests() {
		done := make(chan struct{})
		require.NoError(t, g.Do(func() {
			e.guest += int64(g.Present().Stat(abi.StatHeap))
			e.linear += int64(g.Present().Memory())
			close(done)
		}))
		<-done
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.heap, e.goroutines = int64(m.HeapAlloc+m.StackInuse), int64(runtime.NumGoroutine())
	return e
}

// falls waits until the goroutines are no more than they were, and a few of the runtime's.
func (e expense) falls(t *testing.T, h *hosttest.Host) expense {
	t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > int(e.goroutines)+4 && time.Now().Before(limit) {
		time.Sleep(10 * time.Millisecond)
	}
	now := expenses(t, h)
	require.LessOrEqual(t, now.goroutines, e.goroutines+4)
	return now
}

// fair is a well-behaved client: it listens, and says what comes in order.
type fair struct {
	v     *visitor
	chats chan string
}

func listen(t *testing.T, h *hosttest.Host, user, room string) *fair {
	v, _ := open(t, h, user, room, "", 0)
	f := &fair{v, make(chan string, 10_000)}
	require.NoError(t, v.SetReadDeadline(time.Time{}))
	go func() {
		defer close(f.chats)
		for {
			_, b, err := v.ReadMessage()
			if err != nil {
				return
			}
			if s := string(b); strings.Contains(s, `"text":"talk`) {
				f.chats <- s
			}
		}
	}()
	return f
}

// hears tells that the talk came, each once and in order.
func (f *fair) hears(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		select {
		case s, ok := <-f.chats:
			require.True(t, ok, "the connection has ended")
			require.Equal(t, fmt.Sprint("talk", i), frame(t, s)["text"])
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d", i, n)
		}
	}
	select {
	case s := <-f.chats:
		t.Fatal(s)
	default:
	}
}

// talk says n things in a room, each when the one before has been acknowledged.
func talk(t *testing.T, h *hosttest.Host, room string, n int) {
	t.Helper()
	v, _ := open(t, h, "dora", room, "", 0)
	for i := range n {
		v.say(fmt.Sprintf(`{"event":"chat","text":"talk%d","n":%d}`, i, i+1))
		for {
			require.NoError(t, v.SetReadDeadline(time.Now().Add(30*time.Second)))
			_, b, err := v.ReadMessage()
			require.NoError(t, err)
			if strings.HasPrefix(string(b), `{"event":"message:ack"`) {
				break
			}
		}
	}
	require.NoError(t, v.Close())
}

// TestHostile_floods: five clients of a room without a limit of rates say the same thing over and over, for as long as others
// talk in that room and in another. All that was said is heard; afterwards nothing is left but what the room keeps of messages.
func TestHostile_floods(t *testing.T) {
	if hosttest.WorkerdPath() != "" {
		t.Skip("nothing here is compared with workerd")
	}
	const said = 3
	state := strings.Repeat("s", 8_000)
	for _, row := range []struct {
		name  string
		frame func(who, i int) string // "" is a binary frame
		reads bool
	}{
		{"no JSON", func(int, int) string { return strings.Repeat("{", 60_000) }, true},
		{"too long", func(int, int) string { return `{"event":"` + strings.Repeat("x", 1<<20) + `"}` }, true},
		{"deep", func(int, int) string { return `{"event":"decode","x":` + nest(9_000) + `}` }, true},
		{"binary", func(int, int) string { return "" }, true},
		{"ahead", func(_, i int) string { return fmt.Sprintf(`{"event":"chat","n":%d}`, i+3) }, true},
		{"again", func(int, int) string { return `{"event":"chat","n":1}` }, true},
		{"undone", func(int, int) string { return `{"event":"slow","n":2}` }, true},
		{"presence of many", func(who, i int) string {
			return fmt.Sprintf(`{"event":"presence:update","presence_id":"p%d-%d","state":%q,"clock":%d}`, who, i, state, i)
		}, true},
		{"snapshots", func(int, int) string { return `{"event":"presence:request"}` }, true},
		{"snapshots, unread", func(int, int) string { return `{"event":"presence:request"}` }, false},
		{"history", func(int, int) string { return `{"event":"history:get"}` }, true},
		{"history, unread", func(int, int) string { return `{"event":"history:get"}` }, false},
		{"refresh", func(int, int) string {
			return `{"event":"token:refresh","token":"` + strings.Repeat("x", websocket.MaxToken) + `"}`
		}, true},
		{"pings, unread", func(int, int) string { return websocket.PingFrame }, false},
		{"acks", func(_, i int) string { return fmt.Sprintf(`{"event":"session:ack","seq":%d}`, websocket.MaxNumber-i) }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := hosttest.Start(t, hosttest.Options{Config: guest, RealTime: true})
			room := h.Object("WEBSOCKET", "fast-flood")
			near, far := listen(t, h, "bob", "fast-flood"), listen(t, h, "bob", "fast-other")
			for i := range 8 { // something to ask for
				near.v.say(fmt.Sprintf(`{"event":"presence:update","presence_id":"b%d","state":%q}`, i, state))
			}
			for range 30 {
				near.v.say(`{"event":"chat","text":"` + strings.Repeat("y", 8_000) + `"}`)
			}
			before := expenses(t, h)
			var wg sync.WaitGroup
			var stop atomic.Bool
			var sent atomic.Int64
			var all []*visitor
			for who := range 5 {
				v, _ := open(t, h, fmt.Sprint("eve", who), "fast-flood", "", 0)
				v.say(`{"event":"chat","text":"first","n":1}`)
				all = append(all, v)
				if row.reads {
					wg.Go(func() {
						for {
							_ = v.SetReadDeadline(time.Now().Add(time.Minute))
							if _, _, err := v.ReadMessage(); err != nil {
								return
							}
						}
					})
				}
				wg.Go(func() {
					for i := 0; !stop.Load(); i++ {
						kind, text := gorilla.TextMessage, row.frame(who, i)
						if text == "" {
							kind, text = gorilla.BinaryMessage, strings.Repeat("b", 1<<20)
						}
						_ = v.SetWriteDeadline(time.Now().Add(time.Second)) // what does not read is not read for ever
						if v.WriteMessage(kind, []byte(text)) != nil {
							return
						}
						sent.Add(1)
					}
				})
			}
			talks := make(chan struct{})
			go func() {
				defer close(talks)
				talk(t, h, "fast-other", said)
			}()
			talk(t, h, "fast-flood", said)
			<-talks
			near.hears(t, said)
			far.hears(t, said)
			stop.Store(true)
			high := expense{}
			for _, g := range h.Guests() {
				high.linear += int64(g.Present().Memory())
			}
			for _, v := range all {
				_ = v.Close() // without a word
			}
			wg.Wait()
			after := before.falls(t, h)
			t.Logf("%d frames; linear memory %d MiB under way; after it the host has %+d KiB, the guests %+d KiB, goroutines %+d", sent.Load(), high.linear>>20,
				(after.heap-before.heap)>>10, (after.guest-before.guest)>>10, after.goroutines-before.goroutines)
			require.Less(t, high.linear, int64(2*128<<20), "an isolate ends past its limit, and that would be others' too")
			require.Less(t, after.guest-before.guest, int64(8<<20))
			require.Less(t, after.heap-before.heap, int64(48<<20), "the page cache of two databases, and what the talk has left")
			require.Equal(t, 0, room.Waiting())
			require.Eventually(t, func() bool { // what they sent last is read before
				users, err := websocket.GetUsers.Call(t.Context(), room)
				return err == nil && len(users) == 1
			}, 20*time.Second, 10*time.Millisecond, "only bob is left")
			rows, err := room.SQL(`SELECT (SELECT count(*) FROM websocket_sessions), (SELECT count(*) FROM websocket_log), (SELECT count(*) FROM handled)`)
			require.NoError(t, err)
			require.Equal(t, "7|38|38", rows[0], "a session each, and what was said well")
		})
	}
}

// number is how many there are of something, unless the environment asks for more.
func number(t *testing.T, n int) int {
	if text := os.Getenv("DURAGO_HOSTILE"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	return n
}

// TestHostile_silent: connections that upgrade and say nothing, among them some that would be recoverable and never open a
// session, and some that ping for ever without opening one. They are nobody in the room, and are gone when they were silent
// for too long.
func TestHostile_silent(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	room := h.Object("WEBSOCKET", "acme")
	b, _ := open(t, h, "bob", "acme", "", 0)
	users := func() (n int) {
		list, err := websocket.GetActiveSessions.Call(t.Context(), room)
		require.NoError(t, err)
		return len(list)
	}
	require.Equal(t, 1, users())
	const n = 90
	var all []*visitor
	for i := range n {
		all = append(all, visit(t, h, fmt.Sprint("eve", i%3), "acme", websocket.Recoverable))
	}
	require.Equal(t, 1, users())
	require.NoError(t, room.Hibernate())
	for range 5 {
		h.Advance(16 * time.Second)
		b.say(websocket.PingFrame)
		require.Equal(t, "pong", frame(t, b.hear())["event"], "of nobody else it hears anything")
		all[0].say(websocket.PingFrame)
	}
	for _, v := range all[1:] {
		require.Equal(t, websocket.CloseSilent, v.closed())
	}
	all[0].hears("pong")
	rows, err := room.SQL(`SELECT count(*) FROM websocket_sessions`)
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, rows)
	require.Eventually(t, func() bool {
		sockets := 0
		for o, err := range h.Objects(t.Context(), "") {
			require.NoError(t, err)
			sockets += o.Sockets
		}
		return sockets == 2
	}, 10*time.Second, 10*time.Millisecond)
}

// TestHostile_connects: one user comes and goes, over and over, and holds as many places as there are. Another's session
// waits meanwhile, and there is a place for others.
func TestHostile_connects(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	room := h.Object("WEBSOCKET", "small")
	a, f := open(t, h, "ann", "small", "", 0)
	require.NoError(t, a.Close())
	h.Settle()
	n := number(t, 300)
	for range n {
		v := visit(t, h, "eve", "small", websocket.Recoverable)
		v.say(`{"event":"session:open"}`)
		v.hears("session:open")
		require.NoError(t, v.Close())
		h.Settle() // the room knows
	}
	rows, err := room.SQL(`SELECT count(*) FROM websocket_sessions`)
	require.NoError(t, err)
	require.LessOrEqual(t, whole(t, rows[0]), 42, "twice the places, and what has a connection")
	for range 5 {
		visit(t, h, "eve", "small")
	}
	d := h.Dialer()
	_, resp, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http")+"/api/websocket?room=small&user=eve", nil)
	require.True(t, errors.Is(err, gorilla.ErrBadHandshake))
	require.Equal(t, 429, resp.StatusCode)
	a, f = open(t, h, "ann", "small", f["token"].(string), 0)
	require.Equal(t, true, f["resumed"])
	a.say(`{"event":"chat","text":"hi","n":1}`)
	a.hears("chat", "message:ack")
}

func whole(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// TestHostile_rooms: one user asks for a great many rooms. One into which nothing was written has no file; one that was
// visited has a small one; and none takes memory when it was left. DURAGO_HOSTILE asks for more than 300.
func TestHostile_rooms(t *testing.T) {
	t.Parallel()
	n := number(t, 300)
	h := hosttest.Start(t, hosttest.Options{Config: guest, Open: 20}) // databases are a cache, which is apart
	files := func() (n, bytes int64) {
		require.NoError(t, filepath.WalkDir(h.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".sqlite") || strings.HasSuffix(path, "metadata.sqlite") {
				return err
			}
			i, err := d.Info()
			if err == nil {
				n, bytes = n+1, bytes+i.Size()
			}
			return err
		}))
		return n, bytes
	}
	left := func(prefix string) {
		h.Settle()
		for i := range n {
			_, err := h.Evict(t.Context(), "WEBSOCKET", fmt.Sprint(prefix, i))
			require.NoError(t, err)
		}
	}
	for i := range 20 { // what the first ones cost alone
		_, err := websocket.GetUsers.Call(t.Context(), h.Object("WEBSOCKET", fmt.Sprint("bare-first", i)))
		require.NoError(t, err)
	}
	for i := range 20 {
		require.NoError(t, h.Object("WEBSOCKET", fmt.Sprint("bare-first", i)).Evict())
	}
	before := expenses(t, h)
	for i := range n { // not let in, asked for, and told something that nobody keeps
		name := fmt.Sprint("bare-asked", i)
		status, _ := h.Fetch("GET", "/api/websocket?user=eve&room="+name, "")
		require.Equal(t, 426, status)
		_, err := websocket.GetUsers.Call(t.Context(), h.Object("WEBSOCKET", name))
		require.NoError(t, err)
	}
	left("bare-asked")
	asked := expenses(t, h)
	count, _ := files()
	require.Zero(t, count)
	for i := range n {
		v := visit(t, h, "eve", fmt.Sprint("bare-visited", i))
		v.hears("session:list")
		require.NoError(t, v.Close())
		if i%500 == 499 { // their alarms are not all at once
			h.Advance(3 * time.Minute)
		}
	}
	h.Settle()
	h.Advance(3 * time.Minute)
	left("bare-visited")
	visited := before.falls(t, h)
	for o, err := range h.Objects(t.Context(), "") {
		require.NoError(t, err)
		require.False(t, o.Memory, o.ID)
	}
	h.Stop() // what was young is a file now
	count, bytes := files()
	t.Logf("%d rooms: %d bytes of memory each that was asked for, %d that was visited, and of the guest %d and %d; %d files of %d bytes", n,
		(asked.heap-before.heap)/int64(n), (visited.heap-asked.heap)/int64(n), (asked.guest-before.guest)/int64(n), (visited.guest-asked.guest)/int64(n), count, bytes/max(1, count))
	require.LessOrEqual(t, count, int64(n))
	require.LessOrEqual(t, bytes, 20<<10*count)
	const some = 16 << 20 // the databases that are open, and what the test itself keeps
	require.Less(t, asked.heap-before.heap, int64(some+n*4<<10))
	require.Less(t, visited.heap-before.heap, int64(64<<20+some+n*4<<10), "logs that are no files yet hold 64 MiB at most")
	require.Less(t, visited.guest-before.guest, int64(1<<20+n*128))
}

// TestHostile_halves: clients begin messages of the greatest size and do not end them, twenty times what all sockets together may
// hold. What the host takes is bounded, and others do not notice.
func TestHostile_halves(t *testing.T) {
	const budget = 4 << 20
	h := hosttest.Start(t, hosttest.Options{Config: guest, RealTime: true, SocketMemory: budget})
	near, far := listen(t, h, "bob", "fast-halves"), listen(t, h, "bob", "fast-other")
	talk(t, h, "fast-halves", 3)
	near.hears(t, 3)
	before := expenses(t, h)
	const n = 40
	half := make([]byte, 2<<20)
	var all []*visitor
	for i := range n {
		v := visit(t, h, fmt.Sprint("eve", i), "fast-halves")
		w, err := v.NextWriter(gorilla.TextMessage)
		require.NoError(t, err)
		_, _ = w.Write(half) // it may be dropped meanwhile
		all = append(all, v)
	}
	talk(t, h, "fast-halves", 3)
	talk(t, h, "fast-other", 3)
	near.hears(t, 3)
	far.hears(t, 3)
	under := expenses(t, h)
	t.Logf("%d KiB more while %d MiB were half sent", (under.heap-before.heap)>>10, n*len(half)>>20)
	require.Less(t, under.heap-before.heap, int64(2*budget+n*5*64<<10+8<<20), "a message grows by a quarter at a time, and is copied then; this process has the clients too")
	for _, v := range all {
		_ = v.Close()
	}
	before.falls(t, h)
}
