// Package gates is the guest of the tests of gates, transactions and critical sections.
package gates

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"durago.example/objects"
)

// Program is what the guest exports.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{gateClass, slowClass, planClass},
		Fetch:   http.HandlerFunc(front),
	}
}

// front forwards /<binding>/<object>/<verb>, and reads /kv/<key>/.
func front(w http.ResponseWriter, r *http.Request) {
	p := strings.Split(r.URL.Path, "/")
	if len(p) < 4 {
		http.NotFound(w, r)
		return
	}
	if p[1] == "kv" {
		kv, err := objects.EnvOf(r.Context()).KV("KV")
		if err == nil {
			var v []byte
			v, _, err = kv.Get(r.Context(), p[2])
			fmt.Fprintf(w, "%s", v)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	stub := objects.NamespaceOf(r.Context(), strings.ToUpper(p[1])).GetByName(p[2])
	if err := stub.Forward(w, r); err != nil {
		http.Error(w, "front: "+err.Error(), http.StatusBadGateway)
	}
}

func pause(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }

// Gate writes down what happens to it, in order.
type Gate struct {
	state   *objects.State
	storage *objects.Storage
	sql     *objects.SQL
	log     notes
	tx      *objects.Tx
}

var (
	touch     = objects.Method0("touch", (*Gate).touch)
	gateClass = objects.NewClass("Gate", newGate, touch)
)

func newGate(state *objects.State) (*Gate, error) {
	g := &Gate{state: state, storage: state.Storage(), sql: state.Storage().SQL()}
	_, err := g.sql.Exec(`CREATE TABLE IF NOT EXISTS n (v TEXT);
		CREATE TABLE IF NOT EXISTS p (id INTEGER PRIMARY KEY);
		CREATE TABLE IF NOT EXISTS c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)`)
	return g, err
}

// notes are what happened, in order. Natively goroutines that have slept run beside each other.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, text)
}

// all are the notes; take forgets them.
func (n *notes) all(take bool) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	if take {
		n.list = nil
	}
	return list
}

func (g *Gate) note(format string, args ...any) { g.log.add(fmt.Sprintf(format, args...)) }

func (g *Gate) add(v string) error {
	_, err := g.sql.Exec(`INSERT INTO n VALUES (?)`, v)
	return err
}

// all are the values in the table.
func (g *Gate) all() string {
	var out []string
	for v, err := range objects.Query[string](g.sql, `SELECT v FROM n`) {
		if err != nil {
			return err.Error()
		}
		out = append(out, v)
	}
	return strings.Join(out, " ")
}

func (g *Gate) touch(context.Context) (int, error) {
	g.note("touched")
	return len(g.log.all(false)), nil
}

// Alarm does what the object was told with alarm.
func (g *Gate) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	do, _, err := alarmDoes.Get(g.storage.KV())
	if err != nil {
		return err
	}
	_, seen, err := g.storage.Alarm(ctx)
	if err != nil {
		return err
	}
	if err := g.add(fmt.Sprintf("%s#%d", do, info.RetryCount)); err != nil {
		return err
	}
	if seen {
		return errors.New("it sees its own")
	}
	if info.RetryCount > 0 && do != "fails" && do != "hangs" {
		return nil
	}
	switch do {
	case "fails-once", "fails":
		return errors.New("alarm failed")
	case "hangs":
		select {}
	case "deletes-and-fails":
		return errors.Join(g.storage.DeleteAlarm(ctx), errors.New("alarm failed"))
	case "sets-undone-and-fails":
		_ = g.storage.Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error {
			return errors.Join(tx.SetAlarm(ctx, time.Now().Add(time.Hour)), errUndo)
		})
		return errors.New("alarm failed")
	case "sets-undone":
		_ = g.storage.Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error {
			return errors.Join(tx.SetAlarm(ctx, time.Now().Add(time.Hour)), errUndo)
		})
	case "aborts":
		g.state.Abort(errors.New("aborted"))
	}
	return nil
}

var alarmDoes = objects.NewKey[string]("alarm")

// WebSocketMessage writes and answers, or closes.
func (g *Gate) WebSocketMessage(_ context.Context, ws *objects.WebSocket, m objects.Message) error {
	if err := g.add("message"); err != nil {
		return err
	}
	if string(m.Data) == "close" {
		return ws.Close(4000, "closed")
	}
	return ws.Send(m)
}

// ServeHTTP does what the last part of the path says, and answers with the log if that says nothing.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := strings.Split(r.URL.Path, "/")
	verb := verbs[p[len(p)-1]]
	if verb == nil {
		http.NotFound(w, r)
		return
	}
	if err := verb(g, w, r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
}

type verb func(g *Gate, w http.ResponseWriter, r *http.Request) error

var verbs = map[string]verb{
	"alarm": func(g *Gate, _ http.ResponseWriter, r *http.Request) error {
		if err := alarmDoes.Put(g.storage.KV(), r.URL.Query().Get("do")); err != nil {
			return err
		}
		return g.storage.SetAlarm(r.Context(), time.Now().Add(time.Duration(number(r, "ms"))*time.Millisecond))
	},
	"alarmed": func(g *Gate, w http.ResponseWriter, r *http.Request) error {
		at, ok, err := g.storage.Alarm(r.Context())
		fmt.Fprintf(w, "%s, in an hour %v, set %v", g.all(), ok && time.Until(at) > time.Minute, ok)
		return err
	},
	"together": func(g *Gate, _ http.ResponseWriter, r *http.Request) error {
		if err := g.add("before"); err != nil {
			return err
		}
		key := objects.NewKey[string]("k")
		for range 3 {
			if err := key.PutAsync(r.Context(), g.storage.Async(), "v", nil); err != nil {
				return err
			}
			if _, _, err := g.storage.Alarm(r.Context()); err != nil {
				return err
			}
		}
		if err := g.add("after"); err != nil {
			return err
		}
		if r.URL.Query().Has("waits") {
			pause(20)
		}
		g.state.Abort(errors.New("aborted"))
		return nil
	},
	"swallow": func(g *Gate, w http.ResponseWriter, _ *http.Request) error {
		g.state.Logf(g.state.Context(), "transaction: %v", g.storage.TransactionSync(func() error {
			_, _ = g.sql.Exec(`SELECT * FROM n`)
			return nil
		}))
		return nil
	},
	"log": func(g *Gate, w http.ResponseWriter, _ *http.Request) error {
		fmt.Fprint(w, strings.Join(g.log.all(true), ","))
		return nil
	},
	"peek": func(g *Gate, w http.ResponseWriter, _ *http.Request) error {
		fmt.Fprint(w, strings.Join(g.log.all(false), ","))
		return nil
	},
	"all": func(g *Gate, w http.ResponseWriter, _ *http.Request) error {
		fmt.Fprint(w, g.all())
		return nil
	},
	"note": func(g *Gate, _ http.ResponseWriter, _ *http.Request) error {
		g.note("note")
		return nil
	},
	"wait":   (*Gate).wait,
	"tx":     (*Gate).transaction,
	"ends":   (*Gate).ends,
	"stub":   (*Gate).callInside,
	"hold":   (*Gate).hold,
	"pair":   (*Gate).pair,
	"strays": (*Gate).strays,
	"stray":  (*Gate).stray,
	"orphan": (*Gate).orphan,
	"block":  (*Gate).block,
	"outer":  (*Gate).deadlock,
	"broken": func(g *Gate, _ http.ResponseWriter, _ *http.Request) error {
		_, err := g.sql.Exec(`INSERT INTO c VALUES (1)`)
		return err
	},
	"leave": (*Gate).leave,
	"ws": func(g *Gate, w http.ResponseWriter, r *http.Request) error {
		_, err := g.state.AcceptWebSocket(w, r, nil)
		return errors.Join(err, g.state.SetAutoResponse("ping", "pong"))
	},
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(name))
	return n
}

// wait lets time pass beside a section, and then uses the database.
func (g *Gate) wait(_ http.ResponseWriter, r *http.Request) error {
	g.note("waits")
	pause(number(r, "ms"))
	g.note("awake")
	err := g.add("waited")
	g.note("wrote")
	return err
}
