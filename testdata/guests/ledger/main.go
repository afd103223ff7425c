// Command ledger is the guest of the test of a cluster: an object that keeps every increment by its id, and two that do so
// wrongly, on purpose.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"durago.example/objects"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/{binding}/{name}/{path...}", front)
	mux.HandleFunc("/note/{key}", note)
	objects.Run(objects.Program{
		Classes: []*objects.Class{class("Ledger", wrong{}), class("Forgetful", wrong{forgets: 10}), class("Repeating", wrong{repeats: 10})},
		Fetch:   mux,
	})
}

// front calls the method of an increment half of the time, and forwards what else there is.
func front(w http.ResponseWriter, r *http.Request) {
	stub := objects.NamespaceOf(r.Context(), r.PathValue("binding")).GetByName(r.PathValue("name"))
	if r.PathValue("path") == "call" {
		var a Added
		err := stub.Call(r.Context(), &a, "add", r.URL.Query().Get("id"))
		answer(w, a, err)
		return
	}
	q := r.Clone(r.Context())
	q.URL.Path = "/" + r.PathValue("path")
	if err := stub.Forward(w, q); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// note keeps a value in Workers KV, if it is given one, and answers with what is there.
func note(w http.ResponseWriter, r *http.Request) {
	kv, err := objects.EnvOf(r.Context()).KV("NOTES")
	key, value := r.PathValue("key"), r.URL.Query().Get("value")
	if err == nil && value != "" {
		err = kv.Put(r.Context(), key, []byte(value), 0)
	}
	var b []byte
	if err == nil {
		b, _, err = kv.Get(r.Context(), key)
	}
	answer(w, string(b), err)
}

// wrong is what a class does wrong: each so manieth increment is acknowledged and not stored, or stored twice.
type wrong struct{ forgets, repeats int }

// Ledger keeps increments in the order of their numbers.
type Ledger struct {
	state *objects.State
	sql   *objects.SQL
	wrong wrong
	calls int
}

// Added is the acknowledgement of an increment.
type Added struct {
	Number  int    `json:"number"`
	Machine string `json:"machine"` // where the object is
}

// Row is an increment as it is stored.
type Row struct {
	ID      string `json:"id"`
	Number  int    `json:"number"`
	Machine string `json:"machine"`
}

var named = objects.NewKey[string]("name")

var (
	_ objects.AlarmHandler   = (*Ledger)(nil)
	_ objects.MessageHandler = (*Ledger)(nil)
)

func class(name string, w wrong) *objects.Class {
	create := func(state *objects.State) (*Ledger, error) {
		l := &Ledger{state: state, sql: state.Storage().SQL(), wrong: w}
		_, err := l.sql.Exec(`CREATE TABLE IF NOT EXISTS increments (number INTEGER PRIMARY KEY, id TEXT NOT NULL, machine TEXT NOT NULL)`)
		return l, err
	}
	return objects.NewClass(name, create, objects.Method1("add", (*Ledger).add, "id"))
}

func (l *Ledger) machine() string {
	m, _ := l.state.Env().Var("MACHINE")
	return m
}

func (l *Ledger) add(_ context.Context, id string) (Added, error) {
	if id == "" {
		return Added{}, errors.New("an increment needs an id")
	}
	l.calls++
	a := Added{Machine: l.machine()}
	times := 1
	switch {
	case l.wrong.forgets > 0 && l.calls%l.wrong.forgets == 0:
		times = 0
	case l.wrong.repeats > 0 && l.calls%l.wrong.repeats == 0:
		times = 2
	}
	n, err := objects.One[int](l.sql, `SELECT count(*) FROM increments`)
	a.Number = n + 1
	for i := range times {
		if err == nil {
			_, err = l.sql.Exec(`INSERT INTO increments VALUES (?, ?, ?)`, a.Number+i, id, a.Machine)
		}
	}
	return a, err
}

func (l *Ledger) rows() ([]Row, error) {
	list := []Row{}
	for r, err := range objects.Query[Row](l.sql, `SELECT id, number, machine FROM increments ORDER BY number`) {
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// ServeHTTP adds, lists, sets an alarm or opens a socket.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/add":
		a, err := l.add(r.Context(), r.URL.Query().Get("id"))
		answer(w, a, err)
	case "/increments":
		rows, err := l.rows()
		answer(w, rows, err)
	case "/alarm":
		ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
		if err == nil {
			err = named.Put(l.state.Storage().KV(), r.URL.Query().Get("name"))
		}
		if err == nil {
			err = l.state.Storage().SetAlarm(r.Context(), time.Now().Add(time.Duration(ms)*time.Millisecond))
		}
		answer(w, Added{Machine: l.machine()}, err)
	case "/socket":
		ws, err := l.state.AcceptWebSocket(w, r, nil)
		if err == nil {
			err = ws.Send(objects.Text(l.machine()))
		}
		if err != nil {
			l.state.Logf(r.Context(), "socket: %v", err)
		}
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Alarm tells the object witness, so that nobody has to ask this one: its name, when it was due and when it ran, in
// milliseconds, and where. It keeps its name, which an alarm is not told.
func (l *Ledger) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	name, _, err := named.Get(l.state.Storage().KV())
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s %d %d %s", name, info.ScheduledTime.UnixMilli(), time.Now().UnixMilli(), l.machine())
	var a Added
	return objects.NamespaceOf(ctx, "LEDGER").GetByName("witness").Call(ctx, &a, "add", id)
}

// WebSocketMessage answers with the machine.
func (l *Ledger) WebSocketMessage(_ context.Context, ws *objects.WebSocket, m objects.Message) error {
	return ws.Send(objects.Text(l.machine() + " " + string(m.Data)))
}
