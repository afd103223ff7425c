// Command soak is the guest of the soak: objects that keep what they are told, hand it to each other in every way there is,
// and fail when they are asked to.
package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
)

// version is what the soak changes in the compiled program to have another one.
const version = "version one"

// Member is an object.
type Member struct {
	state *objects.State
	sql   *objects.SQL
}

var (
	write = objects.MethodProc1("write", (*Member).write, "value")
	lend  = objects.Method2("lend", (*Member).lend, "f", "r")
)

func main() {
	objects.Run(objects.Program{
		Classes: []*objects.Class{objects.NewClass("Member", newMember, write, lend)},
		Fetch: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := strings.Split(r.URL.Path, "/")
			if len(p) < 3 {
				fmt.Fprint(w, version)
				return
			}
			if err := objects.NamespaceOf(r.Context(), "MEMBER").GetByName(p[2]).Forward(w, r); err != nil {
				http.Error(w, "front: "+err.Error(), http.StatusBadGateway)
			}
		}),
	})
}

var _ objects.AlarmHandler = (*Member)(nil)

func newMember(state *objects.State) (*Member, error) {
	m := &Member{state, state.Storage().SQL()}
	_, err := m.sql.Exec(`CREATE TABLE IF NOT EXISTS kept (v TEXT NOT NULL); CREATE TABLE IF NOT EXISTS due (v TEXT NOT NULL)`)
	return m, err
}

func (m *Member) write(_ context.Context, v string) error {
	_, err := m.sql.Exec(`INSERT INTO kept VALUES (?)`, v)
	return err
}

// lend calls what was lent and reads what streams, and says how much that was.
func (m *Member) lend(ctx context.Context, f *objects.Callback[int, int], r io.Reader) (int, error) {
	sum := 0
	for i := range 3 {
		n, err := f.Call(ctx, i)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	n, err := io.Copy(io.Discard, r)
	return sum + int(n), err
}

// Alarm keeps what is due.
func (m *Member) Alarm(context.Context, objects.AlarmInfo) error {
	_, err := m.sql.Exec(`INSERT INTO kept SELECT v FROM due; DELETE FROM due`)
	return err
}

// WebSocketMessage echoes.
func (m *Member) WebSocketMessage(_ context.Context, ws *objects.WebSocket, msg objects.Message) error {
	n := 0
	if _, err := ws.Attachment(&n); err != nil {
		return err
	}
	if err := ws.SetAttachment(n + 1); err != nil {
		return err
	}
	return ws.Send(msg)
}

// ServeHTTP does what the first part of the path says.
func (m *Member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Asked", r.URL.RequestURI()) // so that one sees whose answer it is
	verb := strings.Split(r.URL.Path, "/")[1]
	f := verbs[verb]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	if err := f(m, w, r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(name))
	return n
}

func (m *Member) peer(r *http.Request) *objects.Stub {
	return objects.NamespaceOf(r.Context(), "MEMBER").GetByName(r.URL.Query().Get("to"))
}

var verbs = map[string]func(m *Member, w http.ResponseWriter, r *http.Request) error{
	"write": func(m *Member, _ http.ResponseWriter, r *http.Request) error {
		return m.write(r.Context(), r.URL.Query().Get("v"))
	},
	"call": func(m *Member, _ http.ResponseWriter, r *http.Request) error {
		return write.Call(r.Context(), m.peer(r), r.URL.Query().Get("v"))
	},
	"lend": func(m *Member, w http.ResponseWriter, r *http.Request) error {
		f := objects.NewCallback(func(_ context.Context, n int) (int, error) { return n + 1, nil })
		n, err := lend.Call(r.Context(), m.peer(r), f, strings.NewReader(strings.Repeat("x", number(r, "n"))))
		if err == nil {
			fmt.Fprint(w, n)
		}
		return err
	},
	"mixed": func(m *Member, w http.ResponseWriter, r *http.Request) error { // streams one body and lends another
		fmt.Fprintln(w, "begun")
		w.(http.Flusher).Flush()
		f := objects.NewCallback(func(_ context.Context, n int) (int, error) { return n + 1, nil })
		n, err := lend.Call(r.Context(), m.peer(r), f, strings.NewReader(strings.Repeat("x", number(r, "n"))))
		fmt.Fprintln(w, n, err)
		return nil
	},
	"alarm": func(m *Member, _ http.ResponseWriter, r *http.Request) error {
		if _, err := m.sql.Exec(`INSERT INTO due VALUES (?)`, r.URL.Query().Get("v")); err != nil {
			return err
		}
		return m.state.Storage().SetAlarm(r.Context(), time.Now().Add(time.Duration(number(r, "ms"))*time.Millisecond))
	},
	"due": func(m *Member, w http.ResponseWriter, _ *http.Request) error {
		n, err := objects.One[int](m.sql, `SELECT count(*) FROM due`)
		if err == nil {
			fmt.Fprint(w, n)
		}
		return err
	},
	"take": func(m *Member, w http.ResponseWriter, _ *http.Request) error {
		for v, err := range objects.Query[string](m.sql, `DELETE FROM kept RETURNING v`) {
			if err != nil {
				return err
			}
			fmt.Fprintln(w, v)
		}
		return nil
	},
	"stream": func(m *Member, w http.ResponseWriter, r *http.Request) error {
		for i := range number(r, "n") {
			if _, err := fmt.Fprintln(w, i); err != nil {
				break // its client has gone
			}
			w.(http.Flusher).Flush()
			if i%8 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	},
	"upload": func(_ *Member, w http.ResponseWriter, r *http.Request) error {
		h := crc32.NewIEEE()
		n, err := io.Copy(h, r.Body)
		if err == nil {
			fmt.Fprintf(w, "%d %08x", n, h.Sum32())
		}
		return err
	},
	"unread": func(m *Member, _ http.ResponseWriter, r *http.Request) error { // it asks for a long answer, and forgets it
		to, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://object/stream/x?n=100000", nil)
		if err == nil {
			_, err = m.peer(r).Fetch(r.Context(), to)
		}
		return err
	},
	"collect": func(*Member, http.ResponseWriter, *http.Request) error {
		for range 3 { // cleanups run beside
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	},
	"sleep": func(_ *Member, _ http.ResponseWriter, r *http.Request) error {
		select {
		case <-time.After(time.Duration(number(r, "ms")) * time.Millisecond):
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	},
	"socket": func(m *Member, w http.ResponseWriter, r *http.Request) error {
		_, err := m.state.AcceptWebSocket(w, r, nil)
		return err
	},
	"conn": func(_ *Member, w http.ResponseWriter, r *http.Request) error {
		c, err := objects.Accept(w, r, nil)
		if err != nil {
			return err
		}
		for {
			msg, err := c.Receive(r.Context())
			if err == nil {
				err = c.Send(msg)
			}
			var ended *objects.CloseError
			if errors.As(err, &ended) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	},
	"dial": (*Member).dial,
	"leak": (*Member).leak,
	"grow": func(_ *Member, _ http.ResponseWriter, r *http.Request) error {
		b := make([]byte, number(r, "mb")<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		return nil
	},
	"panic": func(m *Member, _ http.ResponseWriter, r *http.Request) error {
		_ = m.write(r.Context(), r.URL.Query().Get("v"))
		panic("on purpose")
	},
	"abort": func(m *Member, _ http.ResponseWriter, _ *http.Request) error {
		m.state.Abort(errors.New("on purpose"))
		return nil
	},
	"exit": func(*Member, http.ResponseWriter, *http.Request) error {
		os.Exit(3)
		return nil
	},
}

// dial talks to another object over a socket, of either kind.
func (m *Member) dial(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	to, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://object/"+q.Get("kind")+"/"+q.Get("to"), nil)
	if err != nil {
		return err
	}
	c, _, err := m.peer(r).Dial(r.Context(), to)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(1000, "") }() // it would keep the object in memory
	for i := range number(r, "n") {
		if err := c.Send(objects.Text(fmt.Sprint(i))); err != nil {
			return err
		}
	}
	for i := range number(r, "n") {
		msg, err := c.Receive(r.Context())
		if err != nil {
			return err
		}
		if string(msg.Data) != fmt.Sprint(i) {
			return fmt.Errorf("message %d is %s", i, msg.Data)
		}
	}
	fmt.Fprint(w, "ok")
	return nil
}

// memory is what leak leaves behind.
var memory [][]byte

// leak leaves something behind that outlives its object, for the soak to find.
func (m *Member) leak(_ http.ResponseWriter, r *http.Request) error {
	switch r.URL.Query().Get("kind") {
	case "goroutine":
		go func() { select {} }()
	case "memory":
		memory = append(memory, make([]byte, 64<<10))
	case "value":
		leakValue()
	}
	return nil
}
