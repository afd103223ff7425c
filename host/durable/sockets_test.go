package durable_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

// wire is a connection that writes down what it is told.
type wire struct{ said []string }

var _ durable.Conn = (*wire)(nil)

func (w *wire) Send(text bool, data []byte) { w.said = append(w.said, string(data)) }
func (w *wire) Close(code int, reason string) {
	w.said = append(w.said, fmt.Sprintf("close %d %s", code, reason))
}
func (w *wire) Drop() { w.said = append(w.said, "drop") }
func (w *wire) AutoRespond(pair *[2]string, _ func() time.Time) {
	if pair != nil {
		w.said = append(w.said, "auto "+pair[0]+" "+pair[1])
	}
}
func (w *wire) LastAutoResponse() (time.Time, bool) { return time.Time{}, false }

// accept has an object accept a socket with tags, and attaches a wire.
func accept(t *testing.T, e *engine, name string, tags ...string) (*durable.Socket, *wire) {
	t.Helper()
	var s *durable.Socket
	w := &wire{}
	require.NoError(t, e.do(name, func(o *durable.Object) (err error) {
		s, err = o.Sockets.Accept(tags)
		return err
	}))
	e.visit(name, func(o *durable.Object) { o.Sockets.Attach(s, w) })
	return s, w
}

func ids(list []*durable.Socket) (out []uint32) {
	for _, s := range list {
		out = append(out, s.ID)
	}
	return out
}

func TestSockets_Accept(t *testing.T) {
	t.Run("all are newest first, those with a tag oldest first", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		for i := range 4 {
			accept(t, e, "a", []string{"even", "odd"}[i%2], "all")
		}
		e.visit("a", func(o *durable.Object) {
			require.Equal(t, []uint32{4, 3, 2, 1}, ids(o.Sockets.All()))
			require.Equal(t, []uint32{1, 2, 3, 4}, ids(o.Sockets.WithTag("all")))
			require.Equal(t, []uint32{2, 4}, ids(o.Sockets.WithTag("odd")))
			require.Empty(t, o.Sockets.WithTag("none"))
		})
		require.NoError(t, e.stop())
	}))
	ten := strings.Split("0123456789", "")
	for _, row := range []struct {
		name string
		tags []string
		want []string
		err  string
	}{
		{"keeps the first of equal tags, in order", []string{"c", "a", "b", "a", "zz"}, []string{"c", "a", "b", "zz"}, ""},
		{"takes an empty tag", []string{""}, []string{""}, ""},
		{"takes ten tags", ten, ten, ""},
		{"refuses an eleventh, even if it is there", append(append([]string{}, ten...), "0"), nil, "a Hibernatable WebSocket cannot have more than 10 tags"},
		{"takes 256 bytes", []string{strings.Repeat("é", 128)}, []string{strings.Repeat("é", 128)}, ""},
		{"refuses 257", []string{strings.Repeat("é", 128) + "x"}, nil, `"` + strings.Repeat("é", 128) + `x" is longer than the max tag length (256 characters).`},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			var s *durable.Socket
			err := e.do("a", func(o *durable.Object) (err error) {
				s, err = o.Sockets.Accept(row.tags)
				return err
			})
			if row.err != "" {
				require.EqualError(t, err, row.err)
			} else {
				require.NoError(t, err)
				require.Equal(t, row.want, s.Tags)
			}
			require.NoError(t, e.stop())
		}))
	}
	t.Run("32,768 and no more", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.EqualError(t, e.do("a", func(o *durable.Object) error {
			for range durable.MaxSockets {
				_, err := o.Sockets.Accept(nil)
				require.NoError(t, err)
			}
			_, err := o.Sockets.Accept(nil)
			return err
		}), "only 32768 websockets can be accepted on a single Durable Object instance")
		require.NoError(t, e.stop())
	}))
}

func TestSockets_hibernation(t *testing.T) {
	t.Run("they stay while their object is out of memory, with what is attached", bubble(func(t *testing.T) {
		e := newEngine(t, options{idle: 10 * time.Second})
		s, w := accept(t, e, "a", "t")
		s.Attachment = []byte("state")
		require.NoError(t, e.do("a", func(o *durable.Object) error { return o.Sockets.SetAutoResponse(&[2]string{"ping", "pong"}) }))
		e.advance(10 * time.Second)
		require.Equal(t, 1, e.gone)
		var got durable.SocketMessage
		e.message = func(o *durable.Object, m durable.SocketMessage) error {
			got = m
			same, err := o.Sockets.Get(m.Socket)
			require.NoError(t, err)
			require.Equal(t, []byte("state"), same.Attachment)
			o.Sockets.Send(o.Sockets.WithTag("t"), true, []byte("answer"))
			return nil
		}
		read := false
		e.visit("a", func(o *durable.Object) {
			require.False(t, o.Started())
			o.Sockets.Message(s, true, []byte("hello"), func() { read = true })
		})
		require.True(t, read)
		require.Equal(t, durable.SocketMessage{Socket: s.ID, Text: true, Data: []byte("hello")}, got)
		require.Equal(t, []string{"auto ping pong", "answer"}, w.said)
		_, second := accept(t, e, "a")
		require.Equal(t, []string{"auto ping pong"}, second.said, "a later one answers too")
		require.NoError(t, e.stop())
	}))
	t.Run("the last one to go lets the object go", bubble(func(t *testing.T) {
		e := newEngine(t, options{idle: 10 * time.Second})
		s, _ := accept(t, e, "a")
		var first *durable.Object
		e.visit("a", func(o *durable.Object) { first = o })
		ended := false
		var closed durable.SocketClosed
		e.closed = func(o *durable.Object, c durable.SocketClosed) error {
			closed = c
			same, err := o.Sockets.Get(c.Socket)
			require.NoError(t, err)
			require.Equal(t, durable.Closing, same.State())
			return nil
		}
		e.visit("a", func(o *durable.Object) { o.Sockets.Gone(s, 4000, "bye", true, func() { ended = true }) })
		require.True(t, ended)
		require.Equal(t, durable.SocketClosed{Socket: s.ID, Code: 4000, Reason: "bye", Clean: true}, closed)
		e.advance(10 * time.Second)
		e.visit("a", func(o *durable.Object) {
			require.NotSame(t, first, o)
			require.Nil(t, o.Sockets)
		})
		require.NoError(t, e.stop())
	}))
	t.Run("a reset drops them", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		_, w := accept(t, e, "a")
		e.visit("a", func(o *durable.Object) { o.Break(fmt.Errorf("abort")) })
		require.Equal(t, []string{"drop"}, w.said)
		require.NoError(t, e.stop())
	}))
}

func TestSockets_Send(t *testing.T) {
	t.Run("waits for the writes before it, and keeps the order", bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		s, w := accept(t, e, "a")
		e.send("a", func(o *durable.Object, done func(error)) {
			o.Sockets.Send([]*durable.Socket{s}, true, []byte("before"))
			require.NoError(t, write(o))
			o.Sockets.Send([]*durable.Socket{s}, true, []byte("after"))
			require.NoError(t, o.Sockets.Close(s, 1000, "done"))
			done(nil)
		})
		e.settle()
		require.Equal(t, []string{"before"}, w.said)
		d.releaseAll()
		e.settle()
		require.Equal(t, []string{"before", "after", "close 1000 done"}, w.said)
		require.NoError(t, e.stop())
	}))
	t.Run("what is sent before the client is answered comes after", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var s *durable.Socket
		w := &wire{}
		require.NoError(t, e.do("a", func(o *durable.Object) (err error) {
			s, err = o.Sockets.Accept(nil)
			o.Sockets.Send([]*durable.Socket{s}, true, []byte("early"))
			return err
		}))
		e.visit("a", func(o *durable.Object) { o.Sockets.Attach(s, w) })
		require.Equal(t, []string{"early"}, w.said)
		require.NoError(t, e.stop())
	}))
}

func TestSockets_Close(t *testing.T) {
	for _, row := range []struct {
		code   int
		reason string
		err    string
	}{
		{0, "", ""},
		{1000, "", ""},
		{3000, strings.Repeat("x", 123), ""},
		{4999, "", ""},
		{999, "", "InvalidAccessError: Invalid WebSocket close code: 999."},
		{5000, "", "InvalidAccessError: Invalid WebSocket close code: 5000."},
		{1005, "", "InvalidAccessError: Invalid WebSocket close code: 1005."},
		{1006, "", "InvalidAccessError: Invalid WebSocket close code: 1006."},
		{0, "why", "InvalidAccessError: If you specify a WebSocket close reason, you must also specify a code."},
		{1000, strings.Repeat("é", 62), "SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded."},
	} {
		t.Run(fmt.Sprintf("%d with a reason of %d bytes", row.code, len(row.reason)), bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			s, w := accept(t, e, "a")
			err := e.do("a", func(o *durable.Object) error { return o.Sockets.Close(s, row.code, row.reason) })
			if row.err != "" {
				require.EqualError(t, err, row.err)
				require.Empty(t, w.said)
			} else {
				require.NoError(t, err)
				require.Equal(t, []string{fmt.Sprintf("close %d %s", row.code, row.reason)}, w.said)
				require.EqualError(t, s.CheckSend(), "TypeError: Can't call WebSocket send() after close().")
			}
			require.NoError(t, e.stop())
		}))
	}
}

func TestSockets_SetAutoResponse(t *testing.T) {
	synctestObject(t, func(o *durable.Object) {
		long := strings.Repeat("x", 2049)
		require.NoError(t, o.Sockets.SetAutoResponse(&[2]string{"", long[1:]}))
		require.EqualError(t, o.Sockets.SetAutoResponse(&[2]string{long, ""}), "RangeError: Request cannot be larger than 2048 bytes. A request of size 2049 was provided.")
		require.EqualError(t, o.Sockets.SetAutoResponse(&[2]string{"", long}), "RangeError: Response cannot be larger than 2048 bytes. A response of size 2049 was provided.")
	})
}

// synctestObject runs f with an object that is in memory.
func synctestObject(t *testing.T, f func(o *durable.Object)) {
	bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", func(o *durable.Object) error { f(o); return nil }))
		require.NoError(t, e.stop())
	})(t)
}

// gone is a connection whose end is told at once when it is dropped.
type gone struct {
	wire
	then func()
}

func (g *gone) Drop() { g.then() }

// TestSockets_closing: the end of a socket, which the end of the engine brings about, does not start its object again.
func TestSockets_closing(t *testing.T) {
	bubble(func(t *testing.T) {
		started := 0
		e := newEngine(t, options{})
		e.constructor = func(*durable.Object) error {
			started++
			return nil
		}
		require.NoError(t, e.do("a", write))
		s, _ := accept(t, e, "a")
		ended := false
		e.visit("a", func(o *durable.Object) {
			o.Sockets.Attach(s, &gone{then: func() { o.Sockets.Gone(s, 1006, "", false, func() { ended = true }) }})
		})
		require.NoError(t, e.stop())
		require.True(t, ended)
		require.Equal(t, 1, started)
	})(t)
}

// TestSockets_inFlight: what was sent and waits for the disk leaves though its object has left memory, before what the next
// stay in memory sends.
func TestSockets_inFlight(t *testing.T) {
	bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		s, w := accept(t, e, "a")
		var first *durable.Object
		e.send("a", func(o *durable.Object, done func(error)) {
			first = o
			require.NoError(t, write(o))
			o.Sockets.Send([]*durable.Socket{s}, true, []byte("sent"))
			done(nil)
		})
		e.settle()
		e.visit("a", func(o *durable.Object) { require.ErrorIs(t, o.Evict(), durable.ErrBusy, "its answer waits too") })
		e.visit("a", func(o *durable.Object) { o.Lost() })
		e.visit("a", func(o *durable.Object) { require.False(t, o.Started()) })
		e.message = func(o *durable.Object, _ durable.SocketMessage) error {
			require.Same(t, first, o)
			require.NoError(t, o.Sockets.Close(s, 1000, "closed"))
			return nil
		}
		e.visit("a", func(o *durable.Object) { o.Sockets.Message(s, true, nil, func() {}) })
		require.Empty(t, w.said)
		d.releaseAll()
		e.settle()
		require.Equal(t, []string{"sent", "close 1000 closed"}, w.said)
		require.NoError(t, e.stop())
	})(t)
}
