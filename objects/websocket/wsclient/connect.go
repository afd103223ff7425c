//go:build !js

package wsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// link is one connection, with a session that is open.
type link struct {
	conn *websocket.Conn
	wake chan struct{} // there is something to write, or nothing any more
	out  [][]byte      // guarded by Client.mu, as is what follows
	kind []int
	over bool
	list []byte // of a room that keeps no sessions: its first frame
}

// webSocket is a URL in the scheme that the dialer takes.
func webSocket(url string) string {
	if rest, ok := strings.CutPrefix(url, "http"); ok {
		return "ws" + rest
	}
	return url
}

// connect opens a connection and the session on it.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Patience)
	defer cancel()
	d := websocket.Dialer{NetDialContext: c.o.NetDial, TLSClientConfig: c.o.TLS, Proxy: http.ProxyFromEnvironment, EnableCompression: c.o.Deflate,
		WriteBufferPool: buffers, ReadBufferSize: 2048, WriteBufferSize: 2048}
	if !c.o.Plain {
		d.Subprotocols = []string{protocol}
	}
	conn, resp, err := d.DialContext(ctx, c.url, c.o.Header)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return nil, refusal(resp)
	}
	if err != nil {
		return nil, fmt.Errorf("wsclient: connect: %w", err)
	}
	conn.SetReadLimit(c.o.MaxFrame)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	l, err := c.open(conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("wsclient: open a session: %w", ctx.Err())
		}
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.heard = l, true
	c.outgoing.link = l
	c.outgoing.write()
	return l, nil
}

var buffers = &sync.Pool{}

func refusal(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // what the dialer has kept
	e := &StatusError{Status: resp.StatusCode, Body: strings.TrimSpace(string(b))}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.retry = time.Duration(min(s, 3600)) * time.Second
	}
	return e
}

// open is the exchange of first frames.
func (c *Client) open(conn *websocket.Conn) (*link, error) {
	l := &link{conn: conn, wake: make(chan struct{}, 1)}
	want := sessionList
	if conn.Subprotocol() == protocol {
		want = sessionOpen
		rewind := c.o.Rewind
		if c.token != "" {
			rewind = 0
		}
		hello := fmt.Sprintf(`{"event":"%s","token":%q,"seq":%d,"rewind":%d}`, sessionOpen, c.token, c.last, rewind)
		if err := conn.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
			return nil, fmt.Errorf("wsclient: open a session: %w", err)
		}
	}
	kind, text, err := conn.ReadMessage()
	if err != nil {
		return nil, final(fmt.Errorf("wsclient: open a session: %w", err))
	}
	m, ok := readFrame(text)
	switch {
	case kind != websocket.TextMessage || !ok || m.event != want && m.event != failure:
		return nil, ErrNoRoom
	case m.event == failure:
		return nil, &Refused{int(m.status), m.message}
	case want == sessionList:
		l.list, c.opening = text, Opened{}
		return l, nil
	}
	c.opened(l, m)
	return l, nil
}

// opened takes the room's answer: the session of before, or a new one.
func (c *Client) opened(l *link, m frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.id == ""
	c.id, c.token = m.id, m.token
	if m.resumed {
		c.outgoing.acked(m.n)
	} else {
		c.outgoing.lost()
		if !first || c.o.Rewind == 0 {
			c.last = m.seq
		}
	}
	c.acknowledged = c.last
	c.outgoing.begin(m.n + 1)
	c.opening = Opened{m.id, m.resumed, m.seq}
}

// final makes an Ended of the error of a connection, if the room does not want the client back.
func final(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && (closed.Code == replaced || closed.Code == kicked) {
		return &Ended{closed.Code, closed.Text}
	}
	return err
}

// serve reads until the connection ends, and says why it did.
func (c *Client) serve(l *link) error {
	var writing sync.WaitGroup
	defer writing.Wait()
	defer c.hangUp(l)
	said := make(chan struct{})
	stop := context.AfterFunc(c.ctx, func() { // says goodbye; what the reader waits for then ends
		defer close(said)
		limit := time.Now().Add(time.Second)
		_ = l.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), limit)
		_ = l.conn.SetReadDeadline(limit)
	})
	defer func() {
		if !stop() {
			<-said
		}
	}()
	c.mu.Lock()
	opened := c.opening
	c.mu.Unlock()
	writing.Go(func() { c.write(l) })
	if !c.emit(opened) {
		return ErrClosed
	}
	if l.list != nil && !c.emit(Frame{Event: sessionList, Text: l.list}) {
		return ErrClosed
	}
	for {
		kind, data, err := l.conn.ReadMessage()
		if err != nil {
			return final(fmt.Errorf("wsclient: %w", err))
		}
		c.mu.Lock()
		c.heard = true
		c.mu.Unlock()
		if kind == websocket.BinaryMessage {
			c.emit(Binary{data})
			continue
		}
		c.receive(l, data)
	}
}

// receive takes a frame. What follows from it is passed on before the room is told that it was seen.
func (c *Client) receive(l *link, text []byte) {
	m, _ := readFrame(text)
	keeps := c.token != ""
	switch {
	case m.event == pong:
		return
	case keeps && m.event == messageAck:
		c.mu.Lock()
		c.outgoing.handled(m.n)
		c.mu.Unlock()
		return
	case m.event == failure:
		c.mu.Lock()
		mine := keeps && c.outgoing.refused(m)
		c.mu.Unlock()
		if mine {
			return
		}
	case keeps && m.event == sessionGap:
		c.last = max(c.last, m.to)
		c.emit(Gap{m.from, m.to})
		return
	case keeps && m.seq > 0:
		if m.seq <= c.last {
			return
		}
		c.last = m.seq
	}
	c.emit(Frame{Event: m.event, Seq: m.seq, Text: text})
	if keeps && c.last-c.acknowledged >= acknowledges {
		c.acknowledged = c.last
		c.mu.Lock()
		l.put(websocket.TextMessage, fmt.Appendf(nil, `{"event":"%s","seq":%d}`, sessionAck, c.last))
		c.mu.Unlock()
	}
}

// hangUp ends a connection.
func (c *Client) hangUp(l *link) {
	_ = l.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	l.over, c.link = true, nil
	c.outgoing.stop()
	l.notify()
}

// put has a frame written. Client.mu is held.
func (l *link) put(kind int, data []byte) {
	if !l.over {
		l.out, l.kind = append(l.out, data), append(l.kind, kind)
		l.notify()
	}
}

func (l *link) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write writes what is put, and pings, until the connection is over. It ends one that is silent.
func (c *Client) write(l *link) {
	pings := time.NewTicker(c.o.Ping)
	defer pings.Stop()
	for {
		select {
		case <-l.wake:
		case <-pings.C:
			c.mu.Lock()
			silent := !c.stuck && (!c.heard || c.outgoing.silent())
			c.heard = false
			l.put(websocket.TextMessage, []byte(ping))
			c.mu.Unlock()
			if silent {
				_ = l.conn.Close() // the reader sees it
				return
			}
		}
		c.mu.Lock()
		out, kind, over := l.out, l.kind, l.over
		l.out, l.kind = nil, nil
		c.mu.Unlock()
		if over {
			return
		}
		for i, data := range out {
			_ = l.conn.SetWriteDeadline(time.Now().Add(c.o.Patience))
			if err := l.conn.WriteMessage(kind[i], data); err != nil {
				_ = l.conn.Close()
				return
			}
		}
	}
}
