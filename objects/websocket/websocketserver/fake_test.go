package websocketserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/internal/fakeobject"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// object is a room, with sockets that keep what they are sent. What one event writes commits when it ends, or when it
// first waits, and what it has sent leaves only then. It is a Caller: values cross as bytes, as they do between isolates.
type object struct {
	*fakeobject.Object
	t        testing.TB
	config   websocketserver.Config
	class    *objects.Class // if it is no room
	instance driver.Instance
	sockets  []*socket // the oldest first
	handles  uint32
	auto     [2]string
	missed   int      // frames for sockets that are not there
	waiting  []func() // what leaves when the event's writes are on disk

	peers      func(binding, name string) *object // whom it can call; nil is nobody
	background []func()                           // what WaitUntil was given and has not begun
	later      bool                               // it begins when the test says so, not when an event ends
	alarming   bool                               // its alarm runs
	depth      int                                // events under way
	open       bool                               // a transaction of an event is open
	faults     func(k call) ([]byte, error)       // if set, what its calls come to

	inside      bool   // an asynchronous transaction runs: what is sent leaves at once
	afterCommit func() // runs before the goroutine that has committed one goes on
	dies        death  // where the running event ends the isolate
}

// death is where an isolate ends.
type death int

const (
	never        death = iota
	beforeCommit       // of the event
	insideTx           // of a transaction
	afterTx            // when a transaction has committed, and before anything else
	atCall             // of another object, before or after it
)

// died is what a fake panics with where the isolate ends.
type died struct {
	at death
	o  *object
}

func newObject(t testing.TB, c websocketserver.Config) *object {
	t.Helper()
	fake, err := fakeobject.Open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fake.DB.Close()) })
	o := &object{Object: fake, t: t, config: c}
	require.NoError(t, o.start())
	return o
}

// start has an instance begin, on the database and the sockets that are there.
func (o *object) start() (err error) {
	c := websocketserver.Class("Room", func(*objects.State) (websocketserver.Config, error) { return o.config, nil })
	if o.class != nil {
		c = o.class
	}
	o.background, o.instance = nil, nil
	o.event(func() {
		o.instance, err = fakeobject.Start(o, c)
	})
	return err
}

// event runs f as one event.
func (o *object) event(f func()) {
	o.begin()
	o.depth++
	f()
	o.depth--
	if o.dies == beforeCommit {
		o.die()
	}
	o.commit()
	if !o.later {
		o.work()
	}
}

func (o *object) begin()  { o.exec(`BEGIN`); o.open = true }
func (o *object) commit() { o.exec(`COMMIT`); o.open = false; o.leave() }

// work runs what WaitUntil was given.
func (o *object) work() {
	for o.depth == 0 && len(o.background) > 0 {
		f := o.background[0]
		o.background = o.background[1:]
		o.event(f)
	}
}

// wait is what an event waits for: its writes commit first.
func (o *object) wait(f func()) {
	was := o.open
	if was {
		o.commit()
	}
	f()
	if was {
		o.begin()
	}
}

// die ends the isolate: what has not committed is undone, what has not left is lost.
func (o *object) die() {
	at := o.dies
	if o.open {
		o.exec(`ROLLBACK`)
		o.open = false
	}
	o.depth, o.background = 0, nil
	o.dies, o.waiting, o.inside, o.afterCommit = never, nil, false, nil
	panic(died{at, o})
}

// leave lets out what waits.
func (o *object) leave() {
	list := o.waiting
	o.waiting = nil
	for _, f := range list {
		f()
	}
}

func (o *object) out(f func()) {
	if o.inside {
		f()
		return
	}
	o.waiting = append(o.waiting, f)
}

func (o *object) CallRPC(_ context.Context, method string, args []byte) (b []byte, err error) {
	o.event(func() { b, err = o.instance.Call(o.Context(), method, args) })
	return b, err
}

// advance lets time pass and runs the alarms on the way.
func (o *object) advance(d time.Duration) {
	o.t.Helper()
	o.Alarm.Advance(d, func() error {
		o.alarming = true
		defer func() { o.alarming = false }()
		o.event(func() { require.NoError(o.t, o.instance.Alarm(o.Context(), time.Now(), 0)) })
		return nil
	})
}

// texts are the rows of a query with one column.
func (o *object) texts(query string) (list []string) {
	s, _, err := o.DB.Conn.Prepare(query)
	require.NoError(o.t, err)
	defer s.Close()
	for s.Step() {
		list = append(list, s.ColumnText(0))
	}
	return list
}

// exec runs statements that are nobody's.
func (o *object) exec(query string) { require.NoError(o.t, o.DB.Script(query), query) }

func (o *object) Storage() driver.Storage { return storage{Storage: o.Alarm, o: o} }
func (o *object) Sockets() driver.Sockets { return fakeSockets{o} }

func (o *object) socket(handle uint32) *socket {
	for _, s := range o.sockets {
		if s.handle == handle {
			return s
		}
	}
	return nil
}

// socket is a client's connection, seen from both ends.
type socket struct {
	o          *object
	handle     uint32
	tags       []string
	attachment []byte
	header     http.Header // of the answer
	closing    bool        // the room has closed it
	dead       bool        // it cannot be sent to, and nobody knows
	code       int
	reason     string
	got        []string
	pinged     time.Time
	received   func(frame string) // in place of got
}

// upgrade is a request that websocket.Handler lets through; meta is what it says of the client.
func (o *object) upgrade(meta string, header ...string) (*socket, *httptest.ResponseRecorder) {
	r := httptest.NewRequest("GET", "/api/websocket", nil)
	r.Header.Set("Upgrade", "websocket")
	if meta != "" {
		r.Header.Set(websocket.MetaHeader, meta)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := &upgrader{ResponseRecorder: httptest.NewRecorder(), o: o}
	o.event(func() { o.instance.Fetch(w, r.WithContext(o.Context())) })
	return w.socket, w.ResponseRecorder
}

type upgrader struct {
	*httptest.ResponseRecorder
	o      *object
	socket *socket
}

func (u *upgrader) Upgrade(tags []string, header http.Header) (uint32, error) {
	u.o.handles++
	u.socket = &socket{o: u.o, handle: u.o.handles, tags: tags, header: header}
	u.o.sockets = append(u.o.sockets, u.socket)
	return u.socket.handle, nil
}

// user dials as a user of that id.
func (o *object) user(id string) *socket {
	s, w := o.upgrade(`{"room":"r","meta":{"user_id":"` + id + `"}}`)
	require.NotNil(o.t, s, w.Body)
	return s
}

// say sends a frame.
func (s *socket) say(text string) {
	if text == s.o.auto[0] {
		s.pinged = time.Now()
		s.take(s.o.auto[1])
		return
	}
	s.o.event(func() {
		require.NoError(s.o.t, s.o.instance.SocketMessage(s.o.Context(), s.handle, true, []byte(text)))
	})
}

func (s *socket) take(frame string) {
	if s.received != nil {
		s.received(frame)
		return
	}
	s.got = append(s.got, frame)
}

// hear is what has come since it was last asked.
func (s *socket) hear() []string {
	got := s.got
	s.got = nil
	return got
}

// ask sends a frame and returns what comes.
func (s *socket) ask(text string) []string {
	s.hear()
	s.say(text)
	return s.hear()
}

// close is the client closing; 1006 is its vanishing.
func (s *socket) close(code int) {
	s.o.event(func() {
		require.NoError(s.o.t, s.o.instance.SocketClose(s.o.Context(), s.handle, code, "", code != 1006))
		s.gone()
	})
}

func (s *socket) gone() {
	s.dead = true
	s.o.sockets = slices.DeleteFunc(s.o.sockets, func(other *socket) bool { return other == s })
}

type fakeSockets struct{ o *object }

func (k fakeSockets) List(tag *string) (list []uint32, _ error) {
	for _, s := range k.o.sockets {
		if tag == nil || slices.Contains(s.tags, *tag) {
			list = append(list, s.handle)
		}
	}
	if tag == nil {
		slices.Reverse(list)
	}
	return list, nil
}

func (k fakeSockets) Send(to []uint32, text bool, data []byte) error {
	var list []*socket
	for _, h := range to {
		s := k.o.socket(h)
		if s != nil && !s.dead && !s.closing {
			list = append(list, s)
			continue
		}
		k.o.missed++
		if len(to) == 1 {
			return errors.New("this WebSocket is closed")
		}
	}
	frame := string(data)
	k.o.out(func() {
		for _, s := range list {
			s.take(frame)
		}
	})
	return nil
}

func (k fakeSockets) Close(h uint32, code int, reason string) error {
	s := k.o.socket(h)
	if s == nil || s.dead {
		return errors.New("this WebSocket is closed")
	}
	if !s.closing {
		s.closing, s.code, s.reason = true, code, reason
	}
	return nil
}

func (k fakeSockets) Tags(h uint32) ([]string, error) {
	if s := k.o.socket(h); s != nil {
		return s.tags, nil
	}
	return nil, errors.New("this WebSocket is closed")
}

func (k fakeSockets) Attachment(h uint32) ([]byte, bool, error) {
	s := k.o.socket(h)
	return s.attachment, s.attachment != nil, nil
}

func (k fakeSockets) Attach(h uint32, value []byte) error {
	if len(value) > 16384 {
		return errors.New("a WebSocket 'attachment' cannot be larger than 16384 bytes")
	}
	if s := k.o.socket(h); s != nil {
		s.attachment = value
	}
	return nil
}

func (k fakeSockets) AutoResponse(request, reply string, _ bool) error {
	k.o.auto = [2]string{request, reply}
	return nil
}

func (k fakeSockets) Pinged(h uint32) (time.Time, bool, error) {
	s := k.o.socket(h)
	if s == nil {
		return time.Time{}, false, nil
	}
	return s.pinged, !s.pinged.IsZero(), nil
}

func (k fakeSockets) ReadyState(uint32) (int, error) { return objects.Open, nil }

// storage has transactions besides.
type storage struct {
	*fakeobject.Storage
	o *object
}

func (s storage) Transaction(ctx context.Context, f func(context.Context, func() error) error) error {
	o := s.o
	o.commit()
	o.begin()
	o.inside = true
	err := f(ctx, nil)
	if o.dies == insideTx {
		o.die()
	}
	o.inside = false
	if err != nil {
		o.exec(`ROLLBACK`)
	} else {
		o.exec(`COMMIT`)
	}
	o.open = false
	if o.dies == afterTx && err == nil {
		o.die()
	}
	if f := o.afterCommit; f != nil && err == nil {
		o.afterCommit = nil
		f()
	}
	o.begin()
	return err
}

// TransactionSync is a part of the event: an isolate that ends within it, or after it, ends with the event undone.
func (s storage) TransactionSync(f func() error) error {
	o := s.o
	o.exec(`SAVEPOINT synchronous`)
	err := f()
	if err != nil {
		o.exec(`ROLLBACK TO synchronous`)
	}
	o.exec(`RELEASE synchronous`)
	if o.dies != never {
		o.dies = beforeCommit
	}
	o.afterCommit = nil // nothing can come between
	return err
}

// bubble runs a test of a new room where time is virtual.
func bubble(c websocketserver.Config, f func(t *testing.T, o *object)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newObject(t, c)) })
	}
}

// frame reads a frame.
func frame(t testing.TB, text string) (m map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &m), text)
	return m
}

// events are those of frames.
func events(t testing.TB, frames []string) (list []string) {
	for _, f := range frames {
		list = append(list, frame(t, f)["event"].(string))
	}
	return list
}

// status is that of the error that answers, or "none".
func status(t testing.TB, frames []string) string {
	for _, f := range frames {
		if m := frame(t, f); m["event"] == "error" {
			b, _ := json.Marshal(m["status"])
			return string(b)
		}
	}
	return "none"
}

func joined(frames []string) string { return strings.Join(frames, " ") }
