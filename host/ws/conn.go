// Package ws is connections over gorilla/websocket, of clients and of servers that were dialled. They may outlive the object:
// each has a reader, which answers pings and auto-responses by itself, and a writer with a bounded queue. A client that
// does not read loses its socket when the queue is full. One that breaks the protocol is told so by the code of a close
// frame: 1002, 1007 for text that is not UTF-8, 1009 for a message that is too large, also if it is only once it is inflated.
package ws

import (
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
	c *websocket.Conn

	mu      sync.Mutex
	queue   []frame
	bytes   int
	wake    chan struct{}
	ended   bool // the writer ends when the queue is empty
	dropped bool
	auto    *[2]string
	pinged  time.Time
	writer  chan struct{}
}

var _ durable.Conn = (*Conn)(nil)

type frame struct {
	kind int
	data []byte
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
	c, err := u.Upgrade(w, r, header)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

// newConn takes over a connection that is open.
func newConn(c *websocket.Conn) *Conn {
	conn := &Conn{c: c, wake: make(chan struct{}, 1), writer: make(chan struct{})}
	c.SetPingHandler(func(data string) error {
		conn.push(frame{websocket.PongMessage, []byte(data)})
		return nil
	})
	c.SetCloseHandler(func(int, string) error { return nil }) // the object answers
	go conn.write()
	return conn
}

var buffers = &sync.Pool{}

// Serve reads until the connection ends. It returns when the writer has ended too.
func (c *Conn) Serve(h Handler) {
	for {
		kind, data, err := c.read()
		if err != nil {
			code, reason, clean := websocket.CloseAbnormalClosure, durable.Vanished, false
			var e *websocket.CloseError
			if errors.As(err, &e) && e.Code != websocket.CloseAbnormalClosure {
				code, reason, clean = e.Code, e.Text, true
			}
			switch {
			case errors.Is(err, errTooLarge):
				code, reason = websocket.CloseMessageTooBig, err.Error()
				c.Close(code, reason)
			case e == nil && strings.HasPrefix(err.Error(), "websocket: "):
				// gorilla has told the client
				code, reason = websocket.CloseProtocolError, strings.TrimPrefix(err.Error(), "websocket: ")
			}
			h.Gone(code, reason, clean)
			break
		}
		if kind == websocket.TextMessage && !utf8.Valid(data) {
			const reason = "The text is not UTF-8"
			c.Close(websocket.CloseInvalidFramePayloadData, reason)
			h.Gone(websocket.CloseInvalidFramePayloadData, reason, false)
			break
		}
		if kind == websocket.TextMessage && c.answer(string(data)) {
			continue
		}
		h.Message(kind == websocket.TextMessage, data)
	}
	<-c.writer
}

var errTooLarge = errors.New("Message is too large")

// read reads the next message. What it is inflated counts, which gorilla's own limit would not.
func (c *Conn) read() (kind int, data []byte, err error) {
	kind, r, err := c.c.NextReader()
	if err != nil {
		return 0, nil, err
	}
	data, err = io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err == nil && len(data) > MaxMessage {
		err = errTooLarge
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
	c.pinged = time.Now()
	c.mu.Unlock()
	c.push(frame{websocket.TextMessage, []byte(auto[1])})
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
	first := len(c.queue) == 1
	c.mu.Unlock()
	if full {
		c.Drop()
	} else if first {
		c.signal()
	}
}

func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// writeLimit is how long a client may keep one write waiting.
const writeLimit = 30 * time.Second

func (c *Conn) write() {
	defer close(c.writer)
	defer c.c.Close()
	var batch []frame
	for range c.wake {
		for {
			c.mu.Lock()
			clear(batch)
			batch, c.queue = c.queue, batch[:0]
			c.bytes = 0
			ended, dropped := c.ended, c.dropped
			c.mu.Unlock()
			if dropped {
				return
			}
			for _, f := range batch {
				_ = c.c.SetWriteDeadline(time.Now().Add(writeLimit))
				if err := c.c.WriteMessage(f.kind, f.data); err != nil {
					c.stop()
					return
				}
			}
			if len(batch) == 0 {
				if ended {
					return
				}
				break
			}
		}
	}
}

func (c *Conn) stop() {
	c.mu.Lock()
	c.ended, c.dropped, c.queue = true, true, nil
	c.mu.Unlock()
}

// Ended is closed when nothing is written any more.
func (c *Conn) Ended() <-chan struct{} { return c.writer }

// Send queues a message; data must not change any more.
func (c *Conn) Send(text bool, data []byte) {
	kind := websocket.BinaryMessage
	if text {
		kind = websocket.TextMessage
	}
	c.push(frame{kind, data})
}

// Close sends a close frame after what is queued; code 0 sends an empty one. The connection ends when the client
// answers, or if it has closed already.
func (c *Conn) Close(code int, reason string) {
	var data []byte
	if code != 0 {
		data = websocket.FormatCloseMessage(code, reason)
	}
	c.push(frame{websocket.CloseMessage, data})
}

// End ends the connection after what is queued.
func (c *Conn) End() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.signal()
}

// Drop ends the connection at once.
func (c *Conn) Drop() {
	c.stop()
	c.signal()
	_ = c.c.NetConn().Close()
}

// AutoRespond sets what is answered without waking the object.
func (c *Conn) AutoRespond(pair *[2]string) {
	c.mu.Lock()
	c.auto = pair
	c.mu.Unlock()
}

// LastAutoResponse is when that last happened.
func (c *Conn) LastAutoResponse() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinged, !c.pinged.IsZero()
}
