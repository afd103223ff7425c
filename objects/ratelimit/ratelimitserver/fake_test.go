package ratelimitserver_test

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/internal/fakeobject"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// object is a limiter, whose alarm fires when the clock of the bubble reaches it. It is a Caller: values cross as bytes, as
// they do between isolates.
type object struct {
	*fakeobject.Object
	t        testing.TB
	config   ratelimitserver.Config
	instance driver.Instance
	read     int // statements that only read
	wrote    int // statements that write
}

var _ objects.Caller = (*object)(nil)

func newObject(t testing.TB, c ratelimitserver.Config) *object {
	t.Helper()
	fake, err := fakeobject.Open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fake.DB.Close()) })
	o := &object{Object: fake, t: t, config: c}
	fake.DB.Ran = func(_ string, writes bool) {
		if writes {
			o.wrote++
		} else {
			o.read++
		}
	}
	require.NoError(t, o.evict())
	return o
}

// evict has the next instance take over on the same database.
func (o *object) evict() (err error) {
	c := ratelimitserver.Class("RateLimiterServer", func(*objects.State) (ratelimitserver.Config, error) { return o.config, nil })
	o.instance, err = fakeobject.Start(o, c)
	return err
}

func (o *object) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	return o.instance.Call(ctx, method, args)
}

func (o *object) ServeHTTP(w http.ResponseWriter, r *http.Request) { o.instance.Fetch(w, r) }

// advance lets time pass and runs the alarms on the way.
func (o *object) advance(d time.Duration) {
	o.t.Helper()
	o.Alarm.Advance(d, func() error {
		require.NoError(o.t, o.instance.Alarm(o.t.Context(), time.Now(), 0))
		return nil
	})
}

func (o *object) count(query string) (n int) {
	s, _, err := o.DB.Conn.Prepare(query)
	require.NoError(o.t, err)
	defer s.Close()
	require.True(o.t, s.Step())
	return s.ColumnInt(0)
}

func (o *object) Log(_ context.Context, _ int, text string) {
	o.t.Errorf("logged: %s", text)
}

// bubble runs a test of a new object where time is virtual.
func bubble(c ratelimitserver.Config, f func(t *testing.T, o *object)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newObject(t, c)) })
	}
}

// setting is a number of the environment that makes a test as long as one likes.
func setting(t *testing.T, name string, otherwise int) int {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
