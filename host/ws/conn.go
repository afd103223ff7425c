// Package ws is connections over gorilla/websocket, of clients and of servers that were dialled. They may outlive the object:
// each has a reader, which answers pings and auto-responses by itself, and a bounded queue of what is to be written, which the
// host's Writers see to. A client that does not read loses its socket when the queue is full. One that
// breaks the protocol is told so by the code of a close frame: 1002, 1007 for text that is not UTF-8, 1009 for a message that is
// too large, also if it is only once it is inflated.
package ws

import (
	"compress/flate"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"durago.example/host/durable"
)

// MaxMessage is the greatest message that a client may send, in bytes.
const MaxMessage = 32 << 20

// maxQueued bounds what waits for a client, in bytes: when more than that waits the next message drops the socket, so that
// two of the greatest always fit. frameCost is what a frame counts beside its data, or empty ones would have no bound.
const (
	maxQueued = MaxMessage + frameCost
	frameCost = 64
)

// Handler gets what the client does, on the reader's goroutine.
type Handler interface {
	// Message returns when the next message may be read.
	Message(text bool, data []byte)
	// Gone is called once, last.
	Gone(code int, reason string, clean bool)
}

// Conn is one connection.
type Conn struct {
	c        *websocket.Conn
	deflated bool      // messages may be
	writers  *Writers  // nil if each write is to have a goroutine of its own
	writer   *writer   // who writes now: the writers' own
	whole    *strict   // takes whole frames, beside gorilla; nil of a connection that was dialled
	limited  time.Time // when the deadline of whole was set

	mu      sync.Mutex
	queue   []frame
	bytes   int
	writing bool // a goroutine writes what is queued, or the last one has shut the connection
	ended   bool // nothing is queued any more; what is written ends when the queue is empty
	dropped bool
	lingers bool // see shut
	auto    *[2]string
	now     func() time.Time
	pinged  time.Time
	tally   tally         // see Budget
	written chan struct{} // closed when nothing is written any more
}

var (
	_ durable.Conn   = (*Conn)(nil)
	_ durable.Sharer = (*Conn)(nil)
)

type frame struct {
	kind   int
	data   []byte
	shared *durable.Shared // of a message that goes to several: nil for any other
}

// Upgrade answers a request with 101 and takes its connection over. Origins are the program's business, as on Workers.
func Upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	u := websocket.Upgrader{ReadBufferSize: 4096, WriteBufferSize: 4096, WriteBufferPool: buffers, CheckOrigin: func(*http.Request) bool { return true },
		EnableCompression: deflates(r.Header)}
	if p := header.Get("Sec-WebSocket-Protocol"); p != "" {
		u.Subprotocols = []string{p}
		header = header.Clone()
		header.Del("Sec-WebSocket-Protocol")
	}
	c, err := u.Upgrade(strictly{w}, r, header)
	if err != nil {
		return nil, err
	}
	conn := newConn(c)
	conn.deflated = u.EnableCompression
	return conn, nil
}

// newConn takes over a connection that is open.
func newConn(c *websocket.Conn) *Conn {
	conn := &Conn{c: c, written: make(chan struct{})}
	conn.whole, _ = c.NetConn().(*strict)
	c.SetPingHandler(func(data string) error {
		conn.push(frame{kind: websocket.PongMessage, data: []byte(data)})
		return nil
	})
	c.SetCloseHandler(func(int, string) error { return nil }) // the object answers
	return conn
}

var buffers = &sync.Pool{}

// Serve reads until the connection ends. It returns when nothing is written any more either, and the connection is closed.
func (c *Conn) Serve(h Handler) {
	for {
		c.handed()
		kind, data, err := c.read()
		if err != nil {
			code, reason, clean := c.ending(err)
			c.mu.Lock()
			c.lingers = !clean && code != websocket.CloseAbnormalClosure
			c.mu.Unlock()
			h.Gone(code, reason, clean)
			break
		}
		if kind == websocket.TextMessage && c.answer(string(data)) {
			continue
		}
		h.Message(kind == websocket.TextMessage, data)
	}
	c.handed()
	<-c.written
	c.linger()
}

// ending tells what an error of reading means, and tells the client, unless gorilla has.
func (c *Conn) ending(err error) (code int, reason string, clean bool) {
	var closed *websocket.CloseError
	var b *breach
	switch {
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return closed.Code, closed.Text, true
	case errors.As(err, &b):
		c.Close(b.code, b.reason)
		return b.code, b.reason, false
	case closed == nil && strings.HasPrefix(err.Error(), "websocket: "):
		return websocket.CloseProtocolError, strings.TrimPrefix(err.Error(), "websocket: "), false
	}
	return websocket.CloseAbnormalClosure, durable.Vanished, false
}

// breach is what a client has done against the protocol, as a close frame says it.
type breach struct {
	code   int
	reason string
}

func (b *breach) Error() string { return b.reason }

var (
	errTooLarge = &breach{websocket.CloseMessageTooBig, "Message is too large"}
	errInflate  = &breach{websocket.CloseProtocolError, "Invalid compressed data"}
	errText     = &breach{websocket.CloseInvalidFramePayloadData, "The text is not UTF-8"}
)

// read reads the next message. What it is inflated counts, which gorilla's own limit would not.
func (c *Conn) read() (kind int, data []byte, err error) {
	kind, r, err := c.c.NextReader()
	if err != nil {
		return 0, nil, err
	}
	data, err = io.ReadAll(&large{Reader: io.LimitReader(r, MaxMessage+1), c: c})
	var corrupt flate.CorruptInputError
	switch {
	case err == nil && len(data) > MaxMessage, errors.Is(err, websocket.ErrReadLimit): // gorilla's is 2^63
		err = errTooLarge
	case errors.As(err, &corrupt), c.deflated && errors.Is(err, io.ErrUnexpectedEOF):
		err = errInflate
	case err == nil && kind == websocket.TextMessage && !utf8.Valid(data):
		err = errText
	}
	return kind, data, err
}

// answer sends the auto-response if the message asks for it.
func (c *Conn) answer(text string) bool {
	c.mu.Lock()
	auto := c.auto
	if auto == nil || auto[0] != text {
		c.mu.Unlock()
		return false
	}
	c.pinged = c.now()
	c.mu.Unlock()
	c.push(frame{kind: websocket.TextMessage, data: []byte(auto[1])})
	return true
}

func (c *Conn) push(f frame) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	full := c.bytes > maxQueued
	c.queue = append(c.queue, f)
	c.bytes += len(f.data) + frameCost
	victim := c.queues(f.data)
	if !full {
		c.start()
	}
	c.mu.Unlock()
	if full {
		c.Drop()
	}
	if victim != nil {
		victim.Drop()
	}
}

// start has a goroutine see to the queue and to what ends it. mu is held.
func (c *Conn) start() {
	if !c.writing {
		c.writing = true
		c.writers.write(c)
	}
}

// writeLimit is how long a client may keep one write waiting.
const writeLimit = 30 * time.Second

// maxKept is how many frames an idle connection keeps room for.
const maxKept = 4

// write writes what is queued until there is no more, and shuts the connection if it has ended. It is now.
func (c *Conn) write(now time.Time) {
	var batch []frame
	wrote := false
	for {
		c.mu.Lock()
		c.wrote(len(batch))
		clear(batch)
		batch, c.queue = c.queue, batch[:0]
		c.bytes = 0
		if c.dropped || c.ended && len(batch) == 0 {
			c.mu.Unlock()
			break
		}
		if len(batch) == 0 {
			if cap(c.queue) > maxKept {
				c.queue = nil
			}
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		for _, f := range batch {
			if wrote { // which may have taken long
				now = time.Now()
			}
			if wrote = true; c.writeFrame(f, now) != nil {
				c.stop()
				break
			}
		}
	}
	c.shut()
	close(c.written)
}

func (c *Conn) writeFrame(f frame, now time.Time) error {
	var deflated *websocket.PreparedMessage
	if f.shared != nil {
		m := f.shared.Made(func() any { return &shared{kind: f.kind, data: f.data} }).(*shared)
		if !c.deflated {
			return c.writeWhole(m.plain(), now)
		}
		deflated = m.deflated()
	}
	_ = c.c.SetWriteDeadline(now.Add(writeLimit))
	if deflated != nil {
		return c.c.WritePreparedMessage(deflated)
	}
	return c.c.WriteMessage(f.kind, f.data)
}

func (c *Conn) stop() {
	c.mu.Lock()
	c.forgets()
	c.ended, c.dropped, c.queue = true, true, nil
	c.mu.Unlock()
}

// Ended is closed when nothing is written any more.
func (c *Conn) Ended() <-chan struct{} { return c.written }

// Send queues a message; data must not change any more.
func (c *Conn) Send(text bool, data []byte) {
	c.push(frame{kind: kindOf(text), data: data})
}

// SendShared queues a message that goes to several connections; data must not change any more. It is framed once for all, and
// deflated once for those that have agreed to it.
func (c *Conn) SendShared(text bool, data []byte, s *durable.Shared) {
	if !c.deflated && (c.whole == nil || len(data) > maxWhole) {
		s = nil
	}
	c.push(frame{kindOf(text), data, s})
}

func kindOf(text bool) int {
	if text {
		return websocket.TextMessage
	}
	return websocket.BinaryMessage
}

// Close sends a close frame after what is queued; code 0 sends an empty one. The connection ends when the client
// answers, or if it has closed already.
func (c *Conn) Close(code int, reason string) {
	var data []byte
	if code != 0 {
		data = websocket.FormatCloseMessage(code, reason)
	}
	c.push(frame{kind: websocket.CloseMessage, data: data})
}

// End ends the connection after what is queued.
func (c *Conn) End() {
	c.mu.Lock()
	c.ended = true
	c.start()
	c.mu.Unlock()
}

// Drop ends the connection at once.
func (c *Conn) Drop() {
	c.mu.Lock()
	c.forgets()
	c.ended, c.dropped, c.queue = true, true, nil
	c.start()
	c.mu.Unlock()
	_ = c.c.NetConn().Close()
}

// AutoRespond sets what is answered without waking the object.
func (c *Conn) AutoRespond(pair *[2]string, now func() time.Time) {
	c.mu.Lock()
	c.auto, c.now = pair, now
	c.mu.Unlock()
}

// LastAutoResponse is when that last happened.
func (c *Conn) LastAutoResponse() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinged, !c.pinged.IsZero()
}
