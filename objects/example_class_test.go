package objects_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"durago.example/objects"
)

// Visits counts who comes by. What it can do besides its methods is found by its type: this one answers HTTP and runs
// alarms. Asserting the abilities makes a wrong signature a compile error.
type Visits struct {
	state *objects.State
	sql   *objects.SQL
}

var (
	_ http.Handler         = (*Visits)(nil)
	_ objects.AlarmHandler = (*Visits)(nil)
)

// NewVisits runs when an object starts or wakes, before any event.
func NewVisits(state *objects.State) (*Visits, error) {
	v := &Visits{state, state.Storage().SQL()}
	_, err := v.sql.Exec(`CREATE TABLE IF NOT EXISTS visits (who TEXT NOT NULL, at INTEGER NOT NULL)`)
	return v, err
}

func (v *Visits) record(ctx context.Context, who string) (int, error) {
	if _, err := v.sql.Exec(`INSERT INTO visits VALUES (?, ?)`, who, time.Now()); err != nil {
		return 0, err
	}
	return objects.One[int](v.sql, `SELECT count(*) FROM visits`)
}

func (v *Visits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := v.record(r.Context(), r.RemoteAddr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, n)
}

// Alarm forgets all visits.
func (v *Visits) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	if info.IsRetry() {
		v.state.Logf(ctx, "try number %d of the alarm of %s", info.RetryCount+1, info.ScheduledTime)
	}
	_, err := v.sql.Exec(`DELETE FROM visits`)
	return err
}

// Record is callable from Go, with types, and from JavaScript: await stub.record("bob").
var Record = objects.Method1("record", (*Visits).record, "who")

func ExampleNewClass() {
	class := objects.NewClass("Visits", NewVisits, Record)
	fmt.Println(class.Name(), class.As("OtherVisits").Name())
	// Output: Visits OtherVisits
}

// A program is a value: what it exports, and the handler in front.
func ExampleRun() {
	mux := http.NewServeMux()
	mux.HandleFunc("/{who}", func(w http.ResponseWriter, r *http.Request) {
		n, err := Record.Call(r.Context(), objects.NamespaceOf(r.Context(), "VISITS").GetByName("all"), r.PathValue("who"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, n)
	})
	objects.Run(objects.Program{
		Classes: []*objects.Class{objects.NewClass("Visits", NewVisits, Record)},
		Routes:  []objects.Route{{Pattern: "/visits/{name}", Binding: "VISITS"}}, // straight to the object
		Fetch:   mux,
		Scheduled: func(ctx context.Context, event objects.ScheduledEvent) error {
			fmt.Println("the pattern", event.Cron, "was due at", event.Time)
			return nil
		},
	})
}
