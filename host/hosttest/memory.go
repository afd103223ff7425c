package hosttest

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// memory is a network of one listener, in memory: in a bubble of testing/synctest time goes on only while nothing waits
// outside, which a socket of the machine's is.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), closed: make(chan struct{})} }

// memoryURL is where a worker in a bubble is.
const memoryURL = "http://worker.example"

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// conn has the addresses that net.Pipe's lack.
type conn struct {
	net.Conn
	of *memory
}

func (c conn) LocalAddr() net.Addr  { return c.of.Addr() }
func (c conn) RemoteAddr() net.Addr { return c.of.Addr() }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case m.conns <- conn{there, m}:
		return conn{here, m}, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve serves handler on the network until stop.
func (m *memory) serve(handler http.Handler) (client *http.Client, stop func()) {
	transport := &http.Transport{DialContext: m.dial}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(m)
	}()
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-done
	}
}

// dialer opens WebSockets.
func (m *memory) dialer() *websocket.Dialer { return &websocket.Dialer{NetDialContext: m.dial} }
