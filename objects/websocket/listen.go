package websocket

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"durago.example/objects"
)

// Times of streams and polls.
const (
	heartbeat   = 15 * time.Second // a comment, and a ping to the room
	maxStream   = time.Hour        // then a stream ends: who comes back is authenticated anew
	defaultWait = 25 * time.Second
	maxWait     = 60 * time.Second
)

// listener reads a listening socket.
type listener struct {
	conn interface {
		Receive(ctx context.Context) (objects.Message, error)
		Send(m objects.Message) error
	}
}

// heard is what a listening socket has said.
type heard struct {
	word string
	seq  int64 // the number up to which the client has everything, when it has this
	text []byte
	gap  Gap
}

var (
	errBeat  = errors.New("nothing for a while")
	errHeard = errors.New("the room said what is no frame")
)

// next waits for a frame, for errBeat or an error.
func (l listener) next(ctx context.Context, wait time.Duration) (f heard, err error) {
	timed, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		m, err := l.conn.Receive(timed)
		switch {
		case err != nil && timed.Err() != nil && ctx.Err() == nil:
			return f, errBeat
		case err != nil:
			return f, err
		case string(m.Data) == PongFrame:
		default:
			return parseHeard(m.Data)
		}
	}
}

func parseHeard(b []byte) (f heard, err error) {
	word, rest, _ := bytes.Cut(b, []byte{' '})
	f.word = string(word)
	number := func() int64 {
		var digits []byte
		digits, rest, _ = bytes.Cut(rest, []byte{' '})
		n, bad := strconv.ParseInt(string(digits), 10, 64)
		if bad != nil {
			err = errHeard
		}
		return n
	}
	switch f.word {
	case ListenMore:
	case ListenOpen, ListenLive:
		f.seq = number()
	case ListenEvent:
		f.seq = number()
		f.text = rest
	case ListenGap:
		f.gap.From = number()
		f.gap.To = number()
		f.seq = f.gap.To
		f.text = append(f.gap.appendFields([]byte(`{"event":"`+SessionGap+`",`)), '}')
	default:
		err = errHeard
	}
	return f, err
}

func (g Gap) appendFields(b []byte) []byte {
	b = strconv.AppendInt(append(b, `"from":`...), g.From, 10)
	return strconv.AppendInt(append(b, `,"to":`...), g.To, 10)
}

// more tells the room that what came has been passed on.
func (l listener) more() error { return l.say(ListenMore) }

func (l listener) say(text string) error {
	return l.conn.Send(objects.Message{Data: []byte(text), Text: true})
}

// stream answers with events as they come. See https://html.spec.whatwg.org/multipage/server-sent-events.html.
func (h handler) stream(w http.ResponseWriter, r *http.Request, k room) {
	ctx, cancel := context.WithTimeout(r.Context(), maxStream)
	defer cancel()
	conn, ok := k.listen(ctx, w)
	if !ok {
		return
	}
	defer func() { _ = conn.Close(1000, "") }()
	out := w.Header()
	out.Set("Content-Type", "text/event-stream")
	out.Set("Cache-Control", "no-store")
	out.Set("X-Accel-Buffering", "no") // proxies may keep it back otherwise
	w.WriteHeader(http.StatusOK)
	_ = copyEvents(ctx, w, listener{conn}, time.Duration(1000+rand.IntN(2000))*time.Millisecond)
}

// copyEvents writes what a listener hears, until either end is gone. retry is when the client is to come back.
func copyEvents(ctx context.Context, w http.ResponseWriter, l listener, retry time.Duration) error {
	flusher := http.NewResponseController(w)
	write := func(b []byte) error {
		if _, err := w.Write(b); err != nil {
			return err
		}
		return flusher.Flush()
	}
	if err := write(strconv.AppendInt([]byte("retry: "), retry.Milliseconds(), 10)); err != nil {
		return err
	}
	if err := write([]byte("\n\n")); err != nil {
		return err
	}
	for {
		f, err := l.next(ctx, heartbeat)
		switch {
		case errors.Is(err, errBeat):
			if err = l.say(PingFrame); err == nil {
				err = write([]byte(":\n\n"))
			}
		case err != nil:
		case f.word == ListenMore:
			err = l.more()
		default:
			err = write(eventFrame(f.seq, f.text))
		}
		if err != nil {
			return err
		}
	}
}

// eventFrame is an event with its id; without text it sets the id alone, and no page hears of it.
func eventFrame(id int64, text []byte) []byte {
	b := append(strconv.AppendInt([]byte("id: "), id, 10), '\n')
	if text != nil { // a line's end within JSON is between its values
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte{'\n'}), []byte{'\r'}, []byte{'\n'})
		for line := range bytes.SplitSeq(text, []byte{'\n'}) {
			b = append(append(append(b, "data: "...), line...), '\n')
		}
	}
	return append(b, '\n')
}

// pollAnswer is what a poll is answered with.
type pollAnswer struct {
	messages [][]byte
	seq      int64 // to ask with the next time, as after
	gap      Gap   // if To is set
}

func (a pollAnswer) some() bool { return len(a.messages) > 0 || a.gap.To > 0 }

func (a pollAnswer) json() []byte {
	b := append([]byte(`{"messages":[`), bytes.Join(a.messages, []byte{','})...)
	b = strconv.AppendInt(append(b, `],"seq":`...), a.seq, 10)
	if a.gap.To > 0 {
		b = append(a.gap.appendFields(append(b, `,"gap":{`...)), '}')
	}
	return append(b, '}', '\n')
}

// poll answers when there is something, or when it has waited for long enough.
func (h handler) poll(w http.ResponseWriter, r *http.Request, k room) {
	wait := defaultWait
	if s := r.URL.Query().Get("wait"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			WriteError(w, http.StatusBadRequest, "wait must be a whole number of seconds")
			return
		}
		wait = min(time.Duration(min(n, 3600))*time.Second, maxWait)
	}
	conn, ok := k.listen(r.Context(), w)
	if !ok {
		return
	}
	defer func() { _ = conn.Close(1000, "") }()
	a, err := collect(r.Context(), listener{conn}, wait, k.door.After == nil)
	if err != nil && !a.some() {
		unavailable(w, k.name, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(a.json())
}

// collect is what a poll has to say: what was there, or the first that comes. One that does not know where to begin is told
// at once.
func collect(ctx context.Context, l listener, wait time.Duration, first bool) (a pollAnswer, err error) {
	deadline := time.Now().Add(wait)
	live := false
	for {
		left := time.Until(deadline)
		if !live { // what is there comes, however long the client would wait
			left = max(left, heartbeat)
		}
		f, err := l.next(ctx, left)
		if errors.Is(err, errBeat) && live {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		switch f.word {
		case ListenMore:
			if len(a.messages) > 0 {
				return a, nil
			}
			if err := l.more(); err != nil {
				return a, err
			}
			continue
		case ListenLive:
			live = true
		case ListenGap:
			a.gap = f.gap
		case ListenEvent:
			a.messages = append(a.messages, f.text)
		}
		a.seq = f.seq
		if live && (a.some() || first) || len(a.messages) == MaxHistory {
			return a, nil
		}
	}
}
