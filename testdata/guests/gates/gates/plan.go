package gates

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/alarms"
)

// Plan has several features with schedules of their own, and writes down what ran.
type Plan struct {
	*alarms.Mux
	sql *objects.SQL
}

var planClass = objects.NewClass("Plan", newPlan)

func newPlan(state *objects.State) (*Plan, error) {
	p := &Plan{sql: state.Storage().SQL()}
	p.Mux = alarms.New(state, alarms.Handlers{"note": p.note, "fail": p.fail, "panic": p.panic, "again": p.again})
	_, err := p.sql.Exec(`CREATE TABLE IF NOT EXISTS ran (name TEXT)`)
	return p, err
}

func (p *Plan) note(_ context.Context, run alarms.Run) error {
	_, err := p.sql.Exec(`INSERT INTO ran VALUES (?)`, fmt.Sprintf("%s#%d", run.Name, run.RetryCount))
	return err
}

func (p *Plan) fail(ctx context.Context, run alarms.Run) error {
	if err := p.note(ctx, run); err != nil || run.IsRetry() {
		return err
	}
	return errors.New("failed on purpose")
}

func (p *Plan) panic(ctx context.Context, run alarms.Run) error {
	if err := p.note(ctx, run); err != nil || run.IsRetry() {
		return err
	}
	panic("on purpose")
}

func (p *Plan) again(ctx context.Context, run alarms.Run) error {
	if run.Key == "twice" {
		if err := p.At(ctx, "again/done", time.Now().Add(20*time.Millisecond)); err != nil {
			return err
		}
	}
	return p.note(ctx, run)
}

// ServeHTTP schedules the names in its query, after so many milliseconds, and tells what has run.
func (p *Plan) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	at := time.Now().Add(time.Duration(number(r, "ms")) * time.Millisecond)
	for _, name := range r.URL.Query()["at"] {
		err = errors.Join(err, p.At(r.Context(), name, at))
	}
	for _, name := range r.URL.Query()["every"] {
		err = errors.Join(err, p.Every(r.Context(), name, time.Duration(number(r, "ms"))*time.Millisecond))
	}
	for _, name := range r.URL.Query()["delete"] {
		_, e := p.Delete(r.Context(), name)
		err = errors.Join(err, e)
	}
	var ran []string
	for name, e := range objects.Query[string](p.sql, `SELECT name FROM ran ORDER BY rowid`) {
		ran, err = append(ran, name), errors.Join(err, e)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, strings.Join(ran, ","))
}
