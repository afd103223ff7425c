// Package poll is a poll as a Durable Object: votes are counted in SQLite until an alarm closes it.
package poll

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"durago.example/objects"
)

// Poll is the object.
type Poll struct {
	state *objects.State
	sql   *objects.SQL
}

var _ objects.AlarmHandler = (*Poll)(nil)

// The poll's methods.
var (
	Open  = objects.MethodProc2("open", (*Poll).open, "question", "seconds")
	Vote  = objects.Method1("vote", (*Poll).vote, "choice")
	Tally = objects.Method0("tally", (*Poll).tally)
)

// Class is what a program exports.
var Class = objects.NewClass("Poll", New, Open, Vote, Tally)

// Result is what a poll says.
type Result struct {
	Question string         `json:"question"`
	Votes    map[string]int `json:"votes"`
	Closed   bool           `json:"closed"`
}

var question = objects.NewKey[string]("question")
var closed = objects.NewKey[bool]("closed")

// New starts the object.
func New(state *objects.State) (*Poll, error) {
	p := &Poll{state, state.Storage().SQL()}
	_, err := p.sql.Exec(`CREATE TABLE IF NOT EXISTS votes (choice TEXT PRIMARY KEY, n INTEGER NOT NULL)`)
	return p, err
}

func (p *Poll) open(ctx context.Context, q string, seconds int) error {
	prefix, _ := p.state.Env().Var("PREFIX")
	if err := question.Put(p.state.Storage().KV(), prefix+" "+q); err != nil {
		return err
	}
	return p.state.Storage().SetAlarm(ctx, time.Now().Add(time.Duration(seconds)*time.Second))
}

func (p *Poll) vote(_ context.Context, choice string) (int, error) {
	over, _, err := closed.Get(p.state.Storage().KV())
	if err != nil {
		return 0, err
	}
	if over {
		return 0, &objects.Error{Name: "RangeError", Message: "the poll is closed"}
	}
	return objects.One[int](p.sql, `INSERT INTO votes VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n`, choice)
}

func (p *Poll) tally(context.Context) (Result, error) {
	r := Result{Votes: map[string]int{}}
	kv := p.state.Storage().KV()
	var err error
	if r.Question, _, err = question.Get(kv); err != nil {
		return r, err
	}
	if r.Closed, _, err = closed.Get(kv); err != nil {
		return r, err
	}
	type row struct {
		Choice string
		N      int
	}
	for v, err := range objects.Query[row](p.sql, `SELECT choice, n FROM votes`) {
		if err != nil {
			return r, err
		}
		r.Votes[v.Choice] = v.N
	}
	return r, nil
}

// Alarm closes the poll.
func (p *Poll) Alarm(context.Context, objects.AlarmInfo) error {
	return closed.Put(p.state.Storage().KV(), true)
}

// ServeHTTP votes with POST ?choice=, and shows the result with GET.
func (p *Poll) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		n, err := p.vote(r.Context(), r.URL.Query().Get("choice"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		fmt.Fprintln(w, n)
		return
	}
	result, err := p.tally(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(result)
}
