package durable_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
)

// jobs is a loop that runs at once, one after the other.
type jobs struct {
	list    []func()
	running bool
	ended   int // sockets
}

func (j *jobs) Do(f func()) error {
	j.list = append(j.list, f)
	if j.running {
		return nil
	}
	j.running = true
	for len(j.list) > 0 {
		f := j.list[0]
		j.list = j.list[1:]
		f()
	}
	j.running = false
	return nil
}

func (j *jobs) ordinary() *durable.Ordinary {
	return durable.NewOrdinary(durable.OrdinaryOptions{Do: j.Do, Output: func(f func(error)) { f(nil) }, Ended: func() { j.ended++ }})
}

// next is what a socket has to be received: a message's text, the end, or "nothing".
func next(s *durable.Ordinary) string {
	got := "nothing"
	s.Receive(func(r durable.Received) {
		if got = string(r.Data); r.Closed != nil {
			got = strings.TrimSpace(fmt.Sprint(r.Closed.Code, " ", r.Closed.Reason))
		}
	})
	return got
}

func TestOrdinary(t *testing.T) {
	t.Run("what waits is received in order, then the end, again and again", func(t *testing.T) {
		var j jobs
		s, w := j.ordinary(), &wire{}
		s.Attach(w)
		taken := 0
		for _, text := range []string{"one", "two"} {
			s.Message(true, []byte(text), func() { taken++ })
		}
		require.Equal(t, 0, taken)
		ended := false
		s.Gone(4000, "bye", true, func() { ended = true })
		require.Equal(t, []string{"close 4000 bye"}, w.said, "it is answered though nobody has read")
		require.True(t, ended)
		require.Equal(t, durable.Closed, s.State())
		require.Equal(t, "one", next(s))
		require.Equal(t, 1, taken)
		require.Equal(t, []string{"two", "4000 bye", "4000 bye"}, []string{next(s), next(s), next(s)})
		require.EqualError(t, s.Send(true, nil), "TypeError: Can't call WebSocket send() after close().")
		require.Equal(t, 1, j.ended)
	})
	t.Run("a close without a code is answered without one", func(t *testing.T) {
		var j jobs
		s, w := j.ordinary(), &wire{}
		s.Attach(w)
		s.Gone(1005, "", true, func() {})
		require.Equal(t, []string{"close 0 "}, w.said)
	})
	t.Run("what is sent to one that has vanished is dropped", func(t *testing.T) {
		var j jobs
		s := j.ordinary()
		s.Attach(&wire{})
		s.Gone(1006, durable.Vanished, false, func() {})
		require.NoError(t, s.Send(true, nil))
		require.Equal(t, "1006 "+durable.Vanished, next(s))
	})
	t.Run("after its own close nothing waits for a reader", func(t *testing.T) {
		var j jobs
		s, w := j.ordinary(), &wire{}
		s.Attach(w)
		taken := 0
		s.Message(true, []byte("before"), func() { taken++ })
		require.NoError(t, s.Close(1000, "done"))
		require.Equal(t, durable.Closing, s.State())
		s.Message(true, []byte("after"), func() { taken++ })
		require.Equal(t, 2, taken, "its reader goes on, to the answer")
		s.Gone(1000, "", true, func() {})
		require.Equal(t, []string{"before", "after", "1000"}, []string{next(s), next(s), next(s)})
		require.Equal(t, []string{"close 1000 done"}, w.said)
	})
	t.Run("but no more than 32 MiB", func(t *testing.T) {
		var j jobs
		s, w := j.ordinary(), &wire{}
		s.Attach(w)
		require.NoError(t, s.Close(1000, ""))
		for range 32 {
			s.Message(false, make([]byte, 1<<20), func() {})
		}
		require.Equal(t, []string{"close 1000 "}, w.said)
		s.Message(false, nil, func() {})
		require.Equal(t, []string{"close 1000 ", "drop"}, w.said)
	})
	t.Run("nothing is kept for who has forgotten it", func(t *testing.T) {
		var j jobs
		s := j.ordinary()
		s.Attach(&wire{})
		taken := 0
		s.Message(true, nil, func() { taken++ })
		s.Forget()
		s.Message(true, nil, func() { taken++ })
		require.Equal(t, 2, taken)
	})
	t.Run("dropped before its connection is there", func(t *testing.T) {
		var j jobs
		s, w := j.ordinary(), &wire{}
		require.NoError(t, s.Send(true, []byte("early")))
		s.Drop()
		s.Attach(w)
		require.Equal(t, []string{"early", "drop"}, w.said)
		require.Equal(t, 1, j.ended)
	})
	t.Run("nobody connects", func(t *testing.T) {
		var j jobs
		s := j.ordinary()
		s.Refuse()
		require.Equal(t, "1006 "+durable.Vanished, next(s))
		require.Equal(t, 1, j.ended)
	})
}

func TestJoin(t *testing.T) {
	t.Run("a handshake", func(t *testing.T) {
		var j jobs
		a, b := j.ordinary(), j.ordinary()
		require.NoError(t, a.Send(true, []byte("early")))
		durable.Join(a, b)
		require.NoError(t, b.Send(true, []byte("hi")))
		require.Equal(t, []string{"early", "hi"}, []string{next(b), next(a)})
		require.NoError(t, a.Close(4000, "bye"))
		require.Equal(t, []string{"4000 bye", "4000 bye"}, []string{next(b), next(a)})
		require.Equal(t, 2, j.ended)
	})
	t.Run("one vanishes", func(t *testing.T) {
		var j jobs
		a, b := j.ordinary(), j.ordinary()
		durable.Join(a, b)
		a.Drop()
		require.Equal(t, "1006 "+durable.Vanished, next(b))
		require.Equal(t, 2, j.ended)
	})
	t.Run("one that does not answer has vanished", func(t *testing.T) {
		var j jobs
		a := j.ordinary()
		mute := &mute{}
		durable.Join(a, mute)
		require.NoError(t, a.Close(1000, ""))
		require.Equal(t, "nothing", next(a))
		mute.end()
		require.Equal(t, "1006 "+durable.Vanished, next(a))
	})
	t.Run("no message is too large, but who reads nothing is given up once 32 MiB wait", func(t *testing.T) {
		var j jobs
		a, b := j.ordinary(), j.ordinary()
		durable.Join(a, b)
		large := make([]byte, 100<<20)
		require.NoError(t, a.Send(false, large))
		require.Len(t, next(b), len(large))
		for range 32 {
			require.NoError(t, a.Send(false, large[:1<<20]))
		}
		require.Equal(t, durable.Open, a.State())
		require.NoError(t, a.Send(false, nil))
		require.Equal(t, durable.Closed, a.State())
		for range 32 {
			require.Len(t, next(b), 1<<20)
		}
		require.Equal(t, "1006 "+durable.Vanished, next(b))
		require.Equal(t, 2, j.ended)
	})
	t.Run("empty messages count too", func(t *testing.T) {
		var j jobs
		a, b := j.ordinary(), j.ordinary()
		durable.Join(a, b)
		for range 600_000 {
			require.NoError(t, a.Send(false, nil))
		}
		require.Equal(t, durable.Closed, b.State())
	})
	t.Run("a hibernatable side answers by itself", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var s *durable.Socket
		require.NoError(t, e.do("a", func(o *durable.Object) (err error) {
			s, err = o.Sockets.Accept(nil)
			return errors.Join(err, o.Sockets.SetAutoResponse(&[2]string{"ping", "pong"}))
		}))
		client := durable.NewOrdinary(durable.OrdinaryOptions{Do: e.Do, Output: func(f func(error)) { f(nil) }, Ended: func() {}})
		var messages []string
		e.message = func(_ *durable.Object, m durable.SocketMessage) error {
			messages = append(messages, string(m.Data))
			return nil
		}
		e.visit("a", func(o *durable.Object) { durable.Join(client, o.Side(s)) })
		for _, text := range []string{"ping", "hello"} {
			require.NoError(t, client.Send(true, []byte(text)))
		}
		require.NoError(t, client.Send(false, []byte("ping")))
		e.settle()
		require.Equal(t, "pong", next(client))
		require.Equal(t, []string{"hello", "ping"}, messages, "only text is answered")
		_, ok := s.Conn.LastAutoResponse()
		require.True(t, ok)
		require.NoError(t, e.stop())
	}))
}

// mute is a side that says nothing.
type mute struct{ end func() }

func (m *mute) Attach(durable.Conn)                      {}
func (m *mute) Refuse()                                  {}
func (m *mute) Message(_ bool, _ []byte, taken func())   { taken() }
func (m *mute) Gone(_ int, _ string, _ bool, end func()) { m.end = end }
