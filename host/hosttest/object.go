package hosttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"durago.example/host/bridge"
	"durago.example/host/durable"
	"durago.example/host/storage"
)

func read(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Object drives one object. It is a Caller for typed calls: Increment.Call(ctx, h.Object("COUNTER", "a"), 2).
type Object struct {
	h       *Host
	binding string
	name    string
	ns      *durable.Namespace // nil under workerd
	id      string
}

// Object is the object of a name behind a binding.
func (h *Host) Object(binding, name string) *Object {
	h.t.Helper()
	o := &Object{h: h, binding: binding, name: name}
	if h.workerd == nil && h.Host == nil {
		h.t.Fatal("hosttest: At reaches no objects: use Fetch and Dial")
	}
	if h.workerd == nil {
		var ok bool
		if o.ns, ok = h.Namespace(binding); !ok {
			h.t.Fatalf("hosttest: no binding %s", binding)
		}
		o.id = o.ns.IDFromName(name)
	}
	return o
}

// visit runs f on the object's loop and waits for done.
func visit[T any](o *Object, f func(d *durable.Object, done func(T, error))) (T, error) {
	type result struct {
		v   T
		err error
	}
	if o.ns == nil {
		var zero T
		return zero, errors.New("hosttest: this verb is the host's own: start the scenario with Start, not with Each")
	}
	c := make(chan result, 1)
	err := o.ns.Visit(o.id, &o.name, func(d *durable.Object) {
		f(d, func(v T, err error) {
			select {
			case c <- result{v, err}:
			default:
			}
		})
	})
	if err != nil {
		var zero T
		return zero, err
	}
	r := <-c
	return r.v, r.err
}

// CallRPC calls a method with encoded arguments.
func (o *Object) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	result, err := o.call(ctx, method, args)
	o.h.transcript.add("%s/%s.%s%s → %s %v", o.binding, o.name, method, printed(args), printed(result), err)
	return result, err
}

func (o *Object) call(ctx context.Context, method string, args []byte) ([]byte, error) {
	if o.h.workerd != nil {
		q := url.Values{"binding": {o.binding}, "name": {o.name}, "method": {method}}
		return o.h.workerd.drive(ctx, "call", q, args)
	}
	return visit(o, func(d *durable.Object, done func([]byte, error)) {
		d.Deliver(&durable.Event{Payload: bridge.Call{Method: method, Args: args}, Done: func(v any, err error) {
			b, _ := v.([]byte)
			done(b, err)
		}})
	})
}

// Fetch sends a request to the object itself, past the worker's front. path begins with a slash.
func (o *Object) Fetch(method, path, body string) (status int, answer string) {
	o.h.t.Helper()
	r, err := http.NewRequestWithContext(o.h.t.Context(), method, o.url()+path, strings.NewReader(body))
	if err != nil {
		o.h.t.Fatal(err)
	}
	resp, err := o.h.client.Do(r)
	if err != nil {
		o.h.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer = read(o.h.t, resp)
	o.h.transcript.add("%s/%s: %s %s → %d %s", o.binding, o.name, method, path, resp.StatusCode, answer)
	return resp.StatusCode, answer
}

// Dial opens a WebSocket to the object itself; the test's end closes it.
func (o *Object) Dial(path string) *websocket.Conn {
	o.h.t.Helper()
	return o.h.dial(o.url() + path)
}

// url is where the harness serves the object alone.
func (o *Object) url() string {
	if o.h.workerd != nil {
		return o.h.workerd.driver + "/object/" + url.PathEscape(o.binding) + "/" + url.PathEscape(o.name)
	}
	return o.h.URL + objectPrefix + url.PathEscape(o.binding) + "/" + url.PathEscape(o.name)
}

// objectPrefix is where the harness's server has objects, on a path that only tests use.
const objectPrefix = "/cdn-cgi/hosttest/object/"

// objects serves single objects below objectPrefix, and the worker elsewhere, whose paths it leaves as they are.
func (h *Host) objects(worker http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(objectPrefix+"{binding}/{name}/{path...}", func(w http.ResponseWriter, r *http.Request) {
		one, err := h.ObjectHandler(r.PathValue("binding"), r.PathValue("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		q := r.Clone(r.Context())
		q.URL.Path, q.URL.RawPath = "/"+r.PathValue("path"), ""
		q.RequestURI = q.URL.RequestURI()
		one.ServeHTTP(w, q)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, objectPrefix) {
			mux.ServeHTTP(w, r)
			return
		}
		worker.ServeHTTP(w, r)
	})
}

// Evict takes the object out of memory; its sockets stay, so that this is hibernation too. It fails while something is
// under way.
func (o *Object) Evict() error {
	if o.h.workerd != nil {
		_, err := o.h.workerd.drive(context.Background(), "evict", url.Values{"binding": {o.binding}, "name": {o.name}}, nil)
		return err
	}
	o.h.Settle()
	_, err := o.h.Host.Evict(o.h.t.Context(), o.binding, o.name)
	return err
}

// Hibernate is Evict for an object with sockets: it fails if there are none.
func (o *Object) Hibernate() error {
	if o.h.workerd != nil {
		return o.Evict()
	}
	o.h.Settle()
	_, err := o.h.Host.Hibernate(o.h.t.Context(), o.binding, o.name)
	return err
}

// InMemory tells whether the object is started.
func (o *Object) InMemory() bool {
	in, _ := visit(o, func(d *durable.Object, done func(bool, error)) { done(d.Started(), nil) })
	return in
}

// Waiting is how many events wait for the object's input gate.
func (o *Object) Waiting() int {
	n, _ := visit(o, func(d *durable.Object, done func(int, error)) { done(d.Waiting(), nil) })
	return n
}

// RunAlarm runs the object's alarm now, if one is set, and tells whether one was.
func (o *Object) RunAlarm() (ran bool, err error) {
	o.h.Settle()
	return visit(o, func(d *durable.Object, done func(bool, error)) { d.RunAlarm(done) })
}

// SQL runs a statement in the object's database, beside the guest, and returns its rows as text, columns joined by "|".
func (o *Object) SQL(query string) ([]string, error) {
	o.h.Settle()
	return visit(o, func(d *durable.Object, done func([]string, error)) {
		defer d.EndTurn()
		c, err := d.Database().Exec(query, nil)
		if err != nil {
			done(nil, err)
			return
		}
		var rows []string
		for c.Next() {
			cells := make([]string, c.Width())
			for i := range cells {
				switch v := c.Value(i); v.Kind {
				case storage.Number:
					cells[i] = fmt.Sprint(v.Float)
				case storage.Null:
					cells[i] = "NULL"
				default:
					cells[i] = string(v.Bytes)
				}
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
		done(rows, c.Close())
	})
}

// Backup writes what the object has stored to a new file. See [host.Host.Backup].
func (o *Object) Backup(file string) error {
	return o.h.Host.Backup(o.h.t.Context(), o.binding, o.name, file)
}

// Restore replaces what the object has stored. See [host.Host.Restore].
func (o *Object) Restore(file string) error {
	return o.h.Host.Restore(o.h.t.Context(), o.binding, o.name, file)
}

// Dial opens a WebSocket to a path of the worker; the test's end closes it.
func (h *Host) Dial(path string) *websocket.Conn {
	h.t.Helper()
	return h.dial(h.URL + path)
}

func (h *Host) dial(url string) *websocket.Conn {
	t := h.t
	t.Helper()
	c, resp, err := h.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		if resp != nil {
			b, _ := io.ReadAll(resp.Body)
			t.Fatalf("hosttest: dial %s: %v: %s", url, err, b)
		}
		t.Fatalf("hosttest: dial %s: %v", url, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
