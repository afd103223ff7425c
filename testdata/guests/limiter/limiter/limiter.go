// Package limiter is the guest of the tests of the rate limiter: its methods and an alarm over HTTP, for the tests that
// kill, and handlers behind its middleware.
package limiter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// Program is what the guest exports.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{ratelimitserver.Class("RateLimiterServer", config), alarmed, clockedClass, purgedClass, earlier},
		Fetch:   front(),
	}
}

// Alarmed counts its alarms.
type Alarmed struct{ state *objects.State }

var (
	set     = objects.MethodProc1("set", (*Alarmed).set, "ms")
	fired   = objects.Method0("fired", (*Alarmed).fired)
	alarmed = objects.NewClass("Alarmed", newAlarmed, set, fired)
)

func newAlarmed(s *objects.State) (*Alarmed, error) {
	_, err := s.Storage().SQL().Exec(`CREATE TABLE IF NOT EXISTS fired (id INTEGER PRIMARY KEY, n INTEGER)`)
	return &Alarmed{s}, err
}

var _ objects.AlarmHandler = (*Alarmed)(nil)

// Alarm counts.
func (a *Alarmed) Alarm(context.Context, objects.AlarmInfo) error {
	_, err := a.state.Storage().SQL().Exec(`INSERT INTO fired VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1`)
	return err
}

func (a *Alarmed) set(ctx context.Context, ms int) error {
	return a.state.Storage().SetAlarm(ctx, time.Now().Add(time.Duration(ms)*time.Millisecond))
}

func (a *Alarmed) fired(context.Context) (int, error) {
	n, err := objects.One[int](a.state.Storage().SQL(), `SELECT n FROM fired`)
	if errors.Is(err, objects.ErrNoRow) {
		return 0, nil
	}
	return n, err
}

// front answers with the method's result as text.
func front() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/limited/", limited())
	mux.HandleFunc("POST /call/{name}/{method}", call)
	mux.HandleFunc("GET /behind/{name}", behind)
	handle := func(pattern string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			fmt.Fprint(w, v)
		})
	}
	limiter := func(r *http.Request) *objects.Stub {
		return objects.NamespaceOf(r.Context(), "RATE_LIMITER").GetByName(r.PathValue("name"))
	}
	alarm := func(r *http.Request) *objects.Stub {
		return objects.NamespaceOf(r.Context(), "ALARMED").GetByName(r.PathValue("name"))
	}
	handle("POST /options/{name}", func(r *http.Request) (any, error) {
		tokens, seconds := 1e6, 1e9
		return "ok", ratelimit.SetOptions.Call(r.Context(), limiter(r), ratelimit.Options{MaxTokens: &tokens, RefillEverySeconds: &seconds})
	})
	handle("POST /consume/{name}", func(r *http.Request) (any, error) {
		return ratelimit.Consume.Call(r.Context(), limiter(r), "key", 1)
	})
	handle("GET /remaining/{name}", func(r *http.Request) (any, error) {
		s, err := ratelimit.GetStatus.Call(r.Context(), limiter(r), "key")
		return s.Remaining, err
	})
	handle("POST /alarm/{name}", func(r *http.Request) (any, error) {
		ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
		if err != nil {
			return nil, err
		}
		return "ok", set.Call(r.Context(), alarm(r), ms)
	})
	handle("GET /fired/{name}", func(r *http.Request) (any, error) {
		return fired.Call(r.Context(), alarm(r))
	})
	return mux
}
