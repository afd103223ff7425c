package websocket

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"durago.example/objects"
)

// Doors of a room. The handler alone opens them: a Door is part of what MetaHeader says.
const (
	DoorMessages = "messages" // to publish
	DoorHistory  = "history"  // to read the log
	DoorListen   = "listen"   // a socket that only hears, for streams of events and polls
)

// Door is what the handler asks of a room for a client without a socket.
type Door struct {
	Name   string   `json:"name"`
	Peer   string   `json:"peer,omitempty"`  // the client's address, for who has not signed in
	After  *int64   `json:"after,omitempty"` // the last message that it has
	Before int64    `json:"before,omitempty"`
	Limit  int64    `json:"limit,omitempty"`  // of a page
	Rewind int64    `json:"rewind,omitempty"` // without After: how many earlier ones it wants
	Events []string `json:"events,omitempty"`
}

// Frames of a listening socket: one of these words, and what belongs to it after a space each. The client of a room never
// sees one, and no message can be taken for another.
const (
	ListenOpen  = "open"  // the number after which it begins
	ListenGap   = "gap"   // from and to: messages that the log has no more
	ListenEvent = "event" // the number and the text of a message
	ListenLive  = "live"  // a number: everything up to it has been sent, the rest follows as it comes
	ListenMore  = "more"  // answer with the same when what came before has been passed on
)

// door is a way in.
type door struct {
	name   string
	method string
	serve  func(h handler, w http.ResponseWriter, r *http.Request, room room)
}

var doors = map[string]*door{
	"/messages": {DoorMessages, http.MethodPost, handler.ask},
	"/history":  {DoorHistory, http.MethodGet, handler.ask},
	"/events":   {DoorListen, http.MethodGet, handler.stream},
	"/poll":     {DoorListen, http.MethodGet, handler.poll},
}

func (h handler) doorOf(path string) *door {
	rest, ok := strings.CutPrefix(path, h.Path)
	if !ok {
		return nil
	}
	return doors[rest]
}

// room is one as a door needs it: an *objects.Stub, and what it is told.
type room struct {
	roomStub
	name string
	meta string
	door *Door
}

type roomStub interface {
	Fetch(ctx context.Context, r *http.Request) (*http.Response, error)
	Dial(ctx context.Context, r *http.Request) (*objects.Conn, *http.Response, error)
}

var _ roomStub = (*objects.Stub)(nil)

// open lets a client in without a socket, by the rules of the upgrade.
func (h handler) open(w http.ResponseWriter, r *http.Request, d *door) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !h.share(w, r) {
		WriteError(w, http.StatusForbidden, "Origin not allowed")
		return
	}
	switch {
	case r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		preflight(w.Header(), d.method)
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != d.method:
		w.Header().Set("Allow", d.method)
		WriteError(w, http.StatusMethodNotAllowed, "Use "+d.method)
		return
	case d.name == DoorMessages && !isJSON(r):
		w.Header().Set("Accept-Post", "application/json")
		WriteError(w, http.StatusUnsupportedMediaType, "Send a message as application/json")
		return
	}
	asked, problem := question(d.name, r)
	if problem != "" {
		WriteError(w, http.StatusBadRequest, problem)
		return
	}
	h.admit(w, r, bearer(r), func(w http.ResponseWriter, r *http.Request, name string, who *Identity, tokenID string) {
		asked.Peer = peer(r)
		meta, ok := metadata(w, name, who, tokenID, asked)
		if !ok {
			return
		}
		stub, ok := h.Room(r.Context(), name).(roomStub)
		if !ok {
			unavailable(w, name, errors.New("Options.Room has no Fetch and Dial, as an *objects.Stub has"))
			return
		}
		d.serve(h, w, r, room{stub, name, meta, asked})
	})
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// peer is the client's address, as the runtime says it, or the network of 64 bits of an IPv6 address, which is what one
// subscriber has.
func peer(r *http.Request) string {
	host := r.Header.Get("CF-Connecting-IP")
	if host == "" {
		host, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	a, err := netip.ParseAddr(host)
	if a = a.Unmap(); err != nil || a.Is4() {
		return a.String()
	}
	network, _ := a.WithZone("").Prefix(64)
	return network.Addr().String()
}

// question reads the query of a request; problem says what is wrong with it.
func question(name string, r *http.Request) (d *Door, problem string) {
	d = &Door{Name: name}
	if name == DoorMessages {
		return d, ""
	}
	q := r.URL.Query()
	number := func(field string, into *int64) bool {
		if !q.Has(field) {
			return false
		}
		n, err := strconv.ParseInt(q.Get(field), 10, 64)
		if err != nil || n < 0 || n > MaxNumber {
			problem = field + " must be a whole number from 0 on"
		}
		*into = n
		return true
	}
	var after int64
	if number("after", &after) {
		d.After = &after
	}
	number("before", &d.Before)
	number("limit", &d.Limit)
	number("rewind", &d.Rewind)
	// A browser sends it when it reconnects; it is newer than the address.
	if id := r.Header.Get("Last-Event-ID"); id != "" && name == DoorListen {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n < 0 || n > MaxNumber {
			problem = "Last-Event-ID must be the id of an event of this room"
		}
		d.After = &n
	}
	for _, list := range q["events"] {
		for _, e := range strings.Split(list, ",") {
			if e != "" {
				d.Events = append(d.Events, e)
			}
			if len(e) > 64 || len(d.Events) > MaxEvents {
				problem = "events are up to 16 names of up to 64 bytes"
			}
		}
	}
	return d, problem
}

// request is one for the room's object; what the client sent is not part of it.
func (k room) request(ctx context.Context, method string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://room/"+k.door.Name, body)
	if err == nil {
		r.Header.Set(MetaHeader, k.meta)
	}
	return r, err
}

// ask passes a question and its answer on.
func (h handler) ask(w http.ResponseWriter, r *http.Request, k room) {
	body := r.Body
	if r.Method == http.MethodGet {
		body = nil
	}
	q, err := k.request(r.Context(), r.Method, body)
	if err != nil {
		unavailable(w, k.name, err)
		return
	}
	if r.Method == http.MethodGet {
		q.Body, q.ContentLength = nil, 0
	} else {
		q.ContentLength = r.ContentLength
		if key := r.Header.Values("Idempotency-Key"); len(key) > 0 {
			q.Header["Idempotency-Key"] = key
		}
	}
	resp, err := k.Fetch(r.Context(), q)
	if err != nil {
		unavailable(w, k.name, err)
		return
	}
	pass(w, resp)
}

// pass answers with what a room has answered.
func pass(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	for _, name := range []string{"Content-Type", "Cache-Control", "Retry-After"} {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func unavailable(w http.ResponseWriter, room string, err error) {
	log.Printf("websocket: room %q: %v", room, err)
	w.Header().Set("Retry-After", "1")
	WriteError(w, http.StatusServiceUnavailable, "Room not available")
}

// listen opens a socket that hears what the client may; if there is none, the request is answered.
func (k room) listen(ctx context.Context, w http.ResponseWriter) (*objects.Conn, bool) {
	q, err := k.request(ctx, http.MethodGet, nil)
	if err != nil {
		unavailable(w, k.name, err)
		return nil, false
	}
	conn, resp, err := k.Dial(ctx, q)
	switch {
	case err == nil:
		return conn, true
	case resp != nil:
		pass(w, resp)
	default:
		unavailable(w, k.name, err)
	}
	return nil, false
}
