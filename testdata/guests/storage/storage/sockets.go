package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"durago.example/objects"
)

// A script dials the objects of its row and talks to them; what it says in text is run as steps, separated by " ; ", by the
// object that hears it, which answers with their outcomes. Steps that begin with "socket." are of the socket that the object
// has heard, or of its newest.

// socket is what both kinds have.
type socket interface {
	Send(m objects.Message) error
	Close(code int, reason string) error
	ReadyState() (int, error)
}

var (
	_ = objects.MessageHandler((*Store)(nil))
	_ = objects.CloseHandler((*Store)(nil))
	_ = socket((*objects.WebSocket)(nil))
	_ = socket((*objects.Conn)(nil))
)

// accepting is how a script wants its socket accepted.
type accepting struct {
	Tags     []string
	Protocol string
	Header   string
	Ordinary bool // by Accept
	Refused  bool // not at all
}

// socketVerbs are the client's steps, and those of the object that has accepted.
var socketVerbs = map[string]func(r *runner, ctx context.Context, rest string) (string, error){
	"ws.dial": (*runner).dial,
	"ws.send": onConn(func(_ *runner, _ context.Context, c *objects.Conn, rest string) (string, error) {
		m, err := message(rest)
		if err != nil {
			return "", err
		}
		return "sent", c.Send(m)
	}),
	"ws.receive": onConn(func(_ *runner, ctx context.Context, c *objects.Conn, _ string) (string, error) {
		return heard(ctx, c), nil
	}),
	"ws.say": onConn(func(_ *runner, ctx context.Context, c *objects.Conn, rest string) (string, error) {
		if err := c.Send(objects.Text(rest)); err != nil {
			return "", err
		}
		return heard(ctx, c), nil
	}),
	"ws.close": onConn(func(_ *runner, _ context.Context, c *objects.Conn, rest string) (string, error) {
		return closing(c, rest)
	}),
	"ws.state": onConn(func(_ *runner, _ context.Context, c *objects.Conn, _ string) (string, error) {
		n, err := c.ReadyState()
		return fmt.Sprint(n), err
	}),
	"sockets": (*runner).sockets,
	"autoresponse": func(r *runner, _ context.Context, rest string) (string, error) {
		v, err := values(rest)
		if err != nil {
			return "", err
		}
		if len(v) == 0 {
			return "ok", r.state.ClearAutoResponse()
		}
		return "ok", r.state.SetAutoResponse(v[0].(string), v[1].(string))
	},
	"broadcast": func(r *runner, _ context.Context, rest string) (string, error) {
		all, err := r.state.WebSockets()
		if err != nil {
			return "", err
		}
		m, err := message(rest)
		return "ok", errors.Join(err, r.state.Broadcast(all, m))
	},
	"socket.send": onSocket(func(s socket, rest string) (string, error) {
		m, err := message(rest)
		if err != nil {
			return "", err
		}
		return "sent", s.Send(m)
	}),
	"socket.close": onSocket(closing),
	"socket.state": onSocket(func(s socket, _ string) (string, error) {
		n, err := s.ReadyState()
		return fmt.Sprint(n), err
	}),
	"socket.tags": onHibernatable(func(ws *objects.WebSocket, _ string) (string, error) {
		tags, err := ws.Tags()
		return shownTags(tags), err
	}),
	"socket.attach": onHibernatable(func(ws *objects.WebSocket, rest string) (string, error) {
		v, err := values(rest)
		if err != nil {
			return "", err
		}
		return "ok", ws.SetAttachment(v[0])
	}),
	"socket.attached": onHibernatable(func(ws *objects.WebSocket, _ string) (string, error) {
		var v any
		ok, err := ws.Attachment(&v)
		if !ok {
			return "none", err
		}
		return show(v), err
	}),
	"socket.answered": onHibernatable(func(ws *objects.WebSocket, _ string) (string, error) {
		at, ok, err := ws.LastAutoResponse()
		if !ok {
			return "never", err
		}
		return fmt.Sprint("lately ", time.Since(at).Abs() < time.Minute), err
	}),
}

func shownTags(tags []string) string {
	out := []any{}
	for _, tag := range tags {
		out = append(out, tag)
	}
	return show(out)
}

func onConn(f func(r *runner, ctx context.Context, c *objects.Conn, rest string) (string, error)) func(*runner, context.Context, string) (string, error) {
	return func(r *runner, ctx context.Context, rest string) (string, error) {
		name, rest, _ := strings.Cut(rest, " ")
		c := r.conns[name]
		if c == nil {
			return "", fmt.Errorf("no socket %q", name)
		}
		return f(r, ctx, c, rest)
	}
}

func onSocket(f func(s socket, rest string) (string, error)) func(*runner, context.Context, string) (string, error) {
	return func(r *runner, _ context.Context, rest string) (string, error) {
		if r.socket != nil {
			return f(r.socket, rest)
		}
		all, err := r.state.WebSockets()
		if err != nil || len(all) == 0 {
			return "", errors.Join(err, errors.New("there is no socket"))
		}
		return f(all[0], rest)
	}
}

func onHibernatable(f func(ws *objects.WebSocket, rest string) (string, error)) func(*runner, context.Context, string) (string, error) {
	return onSocket(func(s socket, rest string) (string, error) {
		ws, ok := s.(*objects.WebSocket)
		if !ok {
			return "", errors.New("the socket is an ordinary one")
		}
		return f(ws, rest)
	})
}

// message reads a string, which is sent as text, or bytes.
func message(rest string) (objects.Message, error) {
	v, err := values(rest)
	if err != nil {
		return objects.Message{}, err
	}
	switch v := v[0].(type) {
	case string:
		return objects.Text(v), nil
	case []byte:
		return objects.Message{Data: v}, nil
	}
	return objects.Message{}, fmt.Errorf("%s is no message", rest)
}

// closing closes with the code and reason of a step.
func closing(s socket, rest string) (string, error) {
	code, reason, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if err != nil && code != "" {
		return "", err
	}
	return "ok", s.Close(n, reason)
}

// heard is the next message, as a script writes it, or how the socket ended.
func heard(ctx context.Context, c *objects.Conn) string {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Second, errors.New("nothing"))
	defer cancel()
	m, err := c.Receive(ctx)
	var e *objects.CloseError
	switch {
	case errors.As(err, &e):
		return fmt.Sprintf("closed %d %q clean=%v", e.Code, e.Reason, e.Clean)
	case err != nil:
		return failure(err)
	case m.Text && strings.ContainsFunc(string(m.Data), unicode.IsControl):
		return show(string(m.Data))
	case m.Text:
		return string(m.Data)
	case len(m.Data) > 200:
		return fmt.Sprint(len(m.Data), " bytes")
	}
	return show(m.Data)
}

// dial dials an object of the row: "c room {"Tags": ["a"]}". The socket's name is the script's own.
func (r *runner) dial(ctx context.Context, rest string) (string, error) {
	name, rest, _ := strings.Cut(rest, " ")
	to, rest, _ := strings.Cut(rest, " ")
	own, _ := r.state.ID().Name()
	row, _, _ := strings.Cut(own, "/")
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://object/?"+url.QueryEscape(rest), nil)
	if err != nil {
		return "", err
	}
	var o accepting
	if rest != "" {
		if err := json.Unmarshal([]byte(rest), &o); err != nil {
			return "", err
		}
	}
	if o.Protocol != "" {
		q.Header.Set("Sec-WebSocket-Protocol", "other, "+o.Protocol)
	}
	c, resp, err := objects.NamespaceOf(ctx, "STORE").GetByName(row+"/"+to).Dial(ctx, q)
	switch {
	case err != nil && resp != nil:
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return fmt.Sprintf("%d %s", resp.StatusCode, b), nil
	case err != nil:
		return "", err
	}
	r.conns[name] = c
	state, err := c.ReadyState()
	return fmt.Sprintf("%d state=%d protocol=%q extensions=%q header=%q", resp.StatusCode, state, c.Protocol(), c.Extensions(), resp.Header.Get("X-Own")), err
}

// ServeHTTP accepts a socket as the query says.
func (s *Store) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var o accepting
	if text, err := url.QueryUnescape(q.URL.RawQuery); err == nil && text != "" {
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	options := &objects.AcceptOptions{Tags: o.Tags, Protocol: o.Protocol}
	if o.Header != "" {
		options.Header = http.Header{"X-Own": {o.Header}}
	}
	var err error
	switch {
	case o.Refused:
		http.Error(w, "no sockets here", http.StatusTeapot)
	case o.Ordinary:
		err = s.talk(w, q, options)
	default:
		_, err = s.state.AcceptWebSocket(w, q, options)
	}
	if err != nil {
		http.Error(w, failure(err), http.StatusInternalServerError)
	}
}

// talk accepts an ordinary socket and does what it says.
func (s *Store) talk(w http.ResponseWriter, q *http.Request, o *objects.AcceptOptions) error {
	c, err := objects.Accept(w, q, o)
	if err != nil {
		return err
	}
	for {
		m, err := c.Receive(q.Context())
		var e *objects.CloseError
		if errors.As(err, &e) {
			state, _ := c.ReadyState()
			s.kept.mark(fmt.Sprintf("closed %d %q clean=%v state=%d", e.Code, e.Reason, e.Clean, state))
		}
		if err != nil {
			return nil
		}
		if err := s.hear(q.Context(), c, m); err != nil {
			s.kept.mark(err.Error())
		}
	}
}

// hear runs what a message says and answers with the outcomes. Bytes come back as they are.
func (s *Store) hear(ctx context.Context, c socket, m objects.Message) error {
	if !m.Text {
		return c.Send(m)
	}
	p, err := parse(strings.Split(string(m.Data), " ; "))
	if err != nil {
		return err
	}
	r := &runner{Store: s, socket: c, outcomes: make([]string, p.size())}
	if err := r.run(ctx, p); err != nil {
		return err
	}
	if got := strings.Join(slices.DeleteFunc(r.outcomes, func(s string) bool { return s == "" }), " | "); got != "" {
		_ = c.Send(objects.Text(got)) // unless it has closed
	}
	return nil
}

// WebSocketMessage does what a hibernatable socket says.
func (s *Store) WebSocketMessage(ctx context.Context, ws *objects.WebSocket, m objects.Message) error {
	return s.hear(ctx, ws, m)
}

// WebSocketClose marks what it is told, and does what onclose has kept, or answers.
func (s *Store) WebSocketClose(ctx context.Context, ws *objects.WebSocket, c objects.CloseInfo) error {
	state, _ := ws.ReadyState()
	all, _ := s.state.WebSockets()
	s.kept.mark(fmt.Sprintf("closed %d %q clean=%v state=%d of %d", c.Code, c.Reason, c.Clean, state, len(all)))
	if p := s.kept.onClose; p != nil {
		r := &runner{Store: s, socket: ws, outcomes: make([]string, p.size())}
		err := r.run(ctx, p)
		for _, o := range r.outcomes {
			if o != "" {
				s.kept.mark(o)
			}
		}
		return err
	}
	if c.Code == 1005 || c.Code == 1006 {
		return ws.Close(1000, "")
	}
	return ws.Close(c.Code, c.Reason)
}

// sockets are the object's, with their tags: all of them, the newest first, or those with a tag, the oldest first.
func (r *runner) sockets(_ context.Context, rest string) (string, error) {
	all, err := r.state.WebSockets()
	if rest != "" {
		v, bad := values(rest)
		if bad != nil {
			return "", bad
		}
		all, err = r.state.WebSocketsWithTag(v[0].(string))
	}
	out := []string{}
	for _, ws := range all {
		tags, _ := ws.Tags()
		out = append(out, shownTags(tags))
	}
	return fmt.Sprint(len(all), ": ", strings.Join(out, " ")), err
}
