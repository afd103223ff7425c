package gates

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"durago.example/objects"
)

// Slow is made slowly.
type Slow struct {
	log []string
}

var slowClass = objects.NewClass("Slow", newSlow)

func newSlow(state *objects.State) (*Slow, error) {
	s := &Slow{}
	ctx := state.Context()
	pause(5)
	s.log = append(s.log, "paused")
	if _, err := touch.Call(ctx, objects.NamespaceOf(ctx, "GATE").GetByName("another")); err != nil {
		return nil, err
	}
	s.log = append(s.log, "called")
	for range 2 {
		if err := state.BlockConcurrencyWhile(ctx, func(context.Context) error {
			pause(5)
			s.log = append(s.log, "blocked")
			return nil
		}); err != nil {
			return nil, err
		}
	}
	_, err := state.Storage().SQL().Exec(`CREATE TABLE IF NOT EXISTS n (v TEXT)`)
	s.log = append(s.log, "made")
	return s, err
}

// ServeHTTP tells how it was made.
func (s *Slow) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.log = append(s.log, "event")
	fmt.Fprint(w, strings.Join(s.log, ","))
}
