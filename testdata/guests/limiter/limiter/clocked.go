package limiter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// Clocked is a limiter whose clock stands where a test has set it, also for the next instance; until then it is the
// machine's. It has a rule for each algorithm, and some for what else rules have. The class Purged is the same, and purges
// all the time.
type Clocked struct {
	*ratelimitserver.Server
	storage *objects.Storage
	at      int64 // ms since 1970; 0 if it was not set
}

var _ objects.AlarmHandler = (*Clocked)(nil)

var (
	// SetClock sets the clock of a Clocked, in milliseconds since 1970; 0 is the machine's again.
	SetClock = objects.DeclareProc1[int64]("setClock", "ms")
	// Keys is how many keys are stored.
	Keys = objects.Declare0[int]("keys")
)

var (
	clockedClass = clockedBy("Clocked", 0)
	purgedClass  = clockedBy("Purged", 100*time.Millisecond)
	clockKey     = objects.NewKey[int64]("clock")
)

func clockedBy(name string, purgeEvery time.Duration) *objects.Class {
	return objects.NewClass(name, func(state *objects.State) (*Clocked, error) { return newClocked(state, purgeEvery) }, clockedMethods()...)
}

func clockedMethods() []objects.Method[Clocked] {
	return []objects.Method[Clocked]{objects.ImplProc1(SetClock, (*Clocked).setClock), objects.Impl0(Keys, (*Clocked).keys),
		objects.Embed(func(c *Clocked) *ratelimitserver.Server { return c.Server }, ratelimitserver.Methods()...)}
}

// earlier is a Clocked on a database that the limiter's first version made: a bucket of ten with two tokens left, half a
// second after one came back.
var earlier = objects.NewClass("Earlier", func(state *objects.State) (*Clocked, error) {
	sql := state.Storage().SQL()
	n, err := objects.One[int](sql, `SELECT count(*) FROM sqlite_master WHERE name = 'ratelimit_keys'`)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		if err := clockKey.Put(state.Storage().KV(), firstClock); err != nil {
			return nil, err
		}
		if _, err := sql.Exec(`
		CREATE TABLE IF NOT EXISTS bucket (key TEXT PRIMARY KEY, tokens REAL NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
		CREATE TABLE IF NOT EXISTS options (id INTEGER PRIMARY KEY CHECK (id = 1), max REAL, interval REAL);
		INSERT INTO bucket VALUES ('ann', 2, ?)`, firstClock-500); err != nil {
			return nil, err
		}
	}
	return newClocked(state, 0)
}, clockedMethods()...)

const firstClock int64 = 1_800_000_000_000

func newClocked(state *objects.State, purgeEvery time.Duration) (*Clocked, error) {
	c := &Clocked{storage: state.Storage()}
	var err error
	if c.at, _, err = clockKey.Get(c.storage.KV()); err != nil {
		return nil, err
	}
	one := func(name string, l ratelimit.Limit) ratelimit.Rule {
		return ratelimit.Rule{Name: name, Limits: []ratelimit.Limit{l}}
	}
	window := func(quota int64) ratelimit.Limit {
		return ratelimit.Limit{Algorithm: ratelimit.FixedWindow, Quota: quota, PeriodMS: 60_000}
	}
	shadow := window(1)
	shadow.Shadow = true
	o := ratelimitserver.Config{Now: c.now, PurgeEvery: purgeEvery, Rules: []ratelimit.Rule{
		one("tenant", window(4)), one("user", window(2)), one("route", window(2)), one("window", window(3)), one("shadow", shadow),
		one("plan", ratelimit.Limit{Algorithm: ratelimit.Month, Quota: 5}),
		{Name: "both", Limits: []ratelimit.Limit{{Algorithm: ratelimit.GCRA, Quota: 1, PeriodMS: 1000, Name: "second"},
			{Algorithm: ratelimit.FixedWindow, Quota: 3, PeriodMS: 86_400_000, Name: "day"}}},
		one("brief", ratelimit.Limit{Algorithm: ratelimit.SlidingWindow, Quota: 2, PeriodMS: 50}),
	}}
	for _, name := range []string{ratelimit.TokenBucket, ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingLog, ratelimit.SlidingWindow, ratelimit.Concurrency} {
		o.Rules = append(o.Rules, one(name, ratelimit.Limit{Algorithm: name, Quota: 2, PeriodMS: 1000}))
	}
	c.Server, err = ratelimitserver.New(state, o)
	return c, err
}

func (c *Clocked) now() time.Time {
	if c.at == 0 {
		return time.Now()
	}
	return time.UnixMilli(c.at)
}

func (c *Clocked) setClock(_ context.Context, ms int64) error {
	c.at = ms
	return clockKey.Put(c.storage.KV(), ms)
}

func (c *Clocked) keys(context.Context) (int, error) {
	return objects.One[int](c.storage.SQL(), `SELECT count(*) FROM ratelimit_keys`)
}

// call passes a call of a Clocked on, from Go to the stub: POST /call/{name}/{method} with encoded arguments.
func call(w http.ResponseWriter, r *http.Request) {
	args, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := objects.NamespaceOf(r.Context(), "CLOCKED").GetByName(r.PathValue("name")).CallRPC(r.Context(), r.PathValue("method"), args)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		_ = json.NewEncoder(w).Encode(Failure{err.Error(), ratelimit.Code(err)})
		return
	}
	_, _ = w.Write(result)
}

// Failure is how /call answers with an error.
type Failure struct{ Message, Code string }

// behind is a handler behind the middleware of a Clocked: GET /behind/{name}?d=rule:key, with a d for each descriptor.
func behind(w http.ResponseWriter, r *http.Request) {
	var list []ratelimit.Descriptor
	for _, d := range r.URL.Query()["d"] {
		rule, key, _ := strings.Cut(d, ":")
		list = append(list, ratelimit.Descriptor{Rule: rule, Key: key})
	}
	cost, err := strconv.ParseInt(r.URL.Query().Get("cost"), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		cost = 1
	}
	ratelimit.Middleware(ratelimit.MiddlewareOptions{
		Descriptors: func(*http.Request) []ratelimit.Descriptor { return list },
		Cost:        func(*http.Request) int64 { return cost },
		Object:      func([]ratelimit.Descriptor) string { return r.PathValue("name") },
		Binding:     "CLOCKED", Blocked: -1, FailClosed: true, Timeout: 10 * time.Second,
	})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })).ServeHTTP(w, r)
}
