package websocketserver_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"durago.example/objects/websocket"
)

// reader is a client of a stream of events: the front's listening socket with its client behind it, which comes back with
// the last number that it has.
type reader struct {
	w    *world
	line *line
	old  []*line // that the room has not noticed to be broken
	last int64
	got  []string
	gaps []run
	live bool
}

// line is one connection of a reader.
type line struct {
	socket   *socket
	up, down []string
	gone     bool // the room knows
}

// heard are the frames of a listening socket as a client of a socket would have them.
func heard(frames ...string) (list []string) {
	for _, f := range frames {
		word, rest, _ := strings.Cut(f, " ")
		first, last, _ := strings.Cut(rest, " ")
		switch word {
		case websocket.ListenOpen:
			f = `{"event":"session:open","seq":` + first + `}`
		case websocket.ListenGap:
			f = `{"event":"session:gap","from":` + first + `,"to":` + last + `}`
		case websocket.ListenEvent:
			f = last
		case websocket.ListenLive:
			f = `{"event":"listen:live","seq":` + first + `}`
		case websocket.ListenMore:
			f = `{"event":"listen:more"}`
		}
		list = append(list, f)
	}
	return list
}

func (r *reader) step() (err error) {
	l := r.line
	switch p := r.w.r.IntN(100); {
	case l == nil:
		r.connect()
	case p < 50 && len(l.down) > 0:
		err = r.pull()
	case p < 80 && len(l.up) > 0:
		r.arrive()
	case p < 84:
		r.cut()
	case p < 90 && len(r.old) > 0:
		r.notice()
	case p < 94 && r.w.defect != sound:
		r.harm()
	}
	return err
}

func (r *reader) connect() {
	r.w.must(func() {
		s, _ := r.w.o.upgrade(fmt.Sprintf(`{"room":"r","door":{"name":"listen","after":%d}}`, r.last))
		if s == nil {
			return
		}
		l := &line{socket: s}
		l.down, s.got = s.got, nil
		s.received = func(frame string) { l.down = append(l.down, frame) }
		r.line, r.live = l, false
		r.w.steps["listen"]++
	})
}

// cut is the reader losing its connection, of which the room knows nothing yet.
func (r *reader) cut() {
	r.line.down, r.line.socket.received = nil, func(string) {}
	r.old = append(r.old, r.line)
	r.line, r.live = nil, false
}

func (r *reader) notice() {
	l := r.old[0]
	r.old = r.old[1:]
	r.close(l)
}

func (r *reader) close(l *line) {
	if l.gone {
		return
	}
	l.gone = true
	r.w.must(func() {
		r.w.o.event(func() {
			if err := r.w.o.instance.SocketClose(r.w.t.Context(), l.socket.handle, 1006, "", false); err != nil {
				panic(err)
			}
			l.socket.gone()
		})
	})
}

func (r *reader) hangUp() {
	for _, l := range r.old {
		l.socket.gone()
	}
	if r.line != nil {
		r.line.socket.gone()
	}
	r.line, r.old, r.live = nil, nil, false
}

func (r *reader) arrive() {
	l := r.line
	text := l.up[0]
	l.up = l.up[1:]
	r.w.must(func() {
		r.w.o.event(func() {
			if err := r.w.o.instance.SocketMessage(r.w.t.Context(), l.socket.handle, true, []byte(text)); err != nil {
				panic(err)
			}
		})
	})
}

// pull has the next frame arrive; an error is a broken promise.
func (r *reader) pull() error {
	l := r.line
	text := l.down[0]
	l.down = l.down[1:]
	text = heard(text)[0]
	var f struct {
		Event, Text   string
		Seq, From, To int64
	}
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return err
	}
	switch f.Event {
	case "session:open":
		if f.Seq != r.last {
			return fmt.Errorf("reader: begins at %d, wants %d", f.Seq, r.last)
		}
	case "session:gap":
		if f.From != r.last+1 || f.To < f.From || f.To >= r.w.first() {
			return fmt.Errorf("reader: a gap from %d to %d, after %d, and the log has %d", f.From, f.To, r.last, r.w.first())
		}
		r.gaps = append(r.gaps, run{f.From, f.To})
		r.last = f.To
		r.w.steps["listener's gap"]++
	case "listen:live":
		if f.Seq != r.last {
			return fmt.Errorf("reader: live at %d, but has %d", f.Seq, r.last)
		}
		r.live = true
	case "listen:more":
		l.up = append(l.up, "more")
		r.w.steps["listener asked"]++
	default:
		if f.Seq <= r.last {
			return fmt.Errorf("reader: %d after %d", f.Seq, r.last)
		}
		r.last = f.Seq
		r.got = append(r.got, fmt.Sprint(f.Seq, " ", f.Text))
	}
	return nil
}

func (r *reader) harm() {
	down := r.line.down
	message := func(i int) bool {
		return i < len(down) && (strings.Contains(down[i], `"chat"`) || strings.Contains(down[i], `"tell"`))
	}
	if !message(0) || !message(1) {
		return
	}
	switch r.w.defect {
	case losing:
		r.line.down = down[1:]
	case swapping:
		down[0], down[1] = down[1], down[0]
	case doubling:
		r.line.down = append([]string{down[0]}, down...)
	}
	r.w.applied++
}

// heal has everything arrive, and tells whether there is no more.
func (r *reader) heal() (rests bool, err error) {
	rests = true
	for len(r.old) > 0 {
		r.notice()
		rests = false
	}
	if l := r.line; l != nil && l.socket.closing && len(l.down) == 0 {
		r.cut()
		rests = false
	}
	if r.line == nil {
		r.connect()
		rests = false
	}
	for r.line != nil && (len(r.line.up) > 0 || len(r.line.down) > 0) {
		rests = false
		if len(r.line.down) > 0 {
			err = r.pull()
		} else {
			r.arrive()
		}
		if err != nil {
			return false, err
		}
	}
	return rests && r.live, nil
}

// verdict compares what it saw with what was committed.
func (r *reader) verdict(rows []string) error {
	var want []string
	for i, row := range rows {
		if !slices.ContainsFunc(r.gaps, func(g run) bool { return int64(i+1) >= g.from && int64(i+1) <= g.to }) {
			want = append(want, row)
		}
	}
	if !slices.Equal(want, r.got) {
		return fmt.Errorf("the reader saw %v, want %v (gaps %v)", r.got, want, r.gaps)
	}
	return nil
}
