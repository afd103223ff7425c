package host

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"durago.example/host/tcp"
)

// ServerOptions are the limits of a Server. Zero is the default of each.
type ServerOptions struct {
	Connections   int           // open at a time, WebSockets among them; default 10,000
	HeaderTimeout time.Duration // for the head of a request, from its first byte on; default 10 s
	IdleTimeout   time.Duration // between the requests of a connection; default 2 min
	MaxHeader     int           // of a request's line and headers, bytes; default 64 KiB
}

// Server is an HTTP server with limits, for a host's Handler or for a mux that has it. Clients that are slow, idle, or too many
// cost others nothing:
//
//   - A head that is not there in HeaderTimeout ends its connection; one that is too long is answered with 431.
//   - When one connection too many comes, the one on which no request has been served for longest is closed. If all of them
//     serve requests or are WebSockets, the new one is closed.
//
// What a request's body and a response may wait for a client is the Handler's own limit, in any server: see Host.Handler.
type Server struct {
	http  http.Server
	conns conns
	open  sync.WaitGroup // connections that are no WebSockets
}

// NewServer makes a server. Its methods may be called from any goroutine.
func NewServer(h http.Handler, o ServerOptions) *Server {
	set(&o.Connections, 10_000)
	set(&o.HeaderTimeout, 10*time.Second)
	set(&o.IdleTimeout, 2*time.Minute)
	set(&o.MaxHeader, 64<<10)
	s := &Server{conns: conns{max: o.Connections}}
	s.http = http.Server{
		Handler:           s.conns.serving(h),
		ReadHeaderTimeout: o.HeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeader,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, beneath(c))
		},
		ConnState: func(c net.Conn, to http.ConnState) {
			switch to {
			case http.StateNew:
				s.open.Add(1)
			case http.StateHijacked:
				if c, ok := beneath(c).(*conn); ok {
					c.serve(1) // never idle again, also when its request's handler has returned
				}
				s.open.Done()
			case http.StateClosed:
				s.open.Done()
			}
		},
	}
	return s
}

// beneath is the connection of the listener.
func beneath(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		return t.NetConn()
	}
	return c
}

// Serve takes connections from l until the server ends, and returns why it did: http.ErrServerClosed if it was told to.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(&listener{l, &s.conns}) }

// ServeTLS is Serve with TLS, and with HTTP/2.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	return s.http.ServeTLS(&listener{l, &s.conns}, certFile, keyFile)
}

// Shutdown takes no more connections and waits until those that there are have nothing under way, or until ctx ends. WebSockets
// stay; the host's Close ends them.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Close breaks all connections off but WebSockets, and returns when their requests have ended.
func (s *Server) Close() error {
	err := s.http.Close()
	s.open.Wait()
	return err
}

// conns are the open connections of a server.
type conns struct {
	max  int
	mu   sync.Mutex
	open int
	idle list.List // of *conn: those that serve no request, the longest idle first
}

type listener struct {
	net.Listener
	conns *conns
}

// Accept makes room for the connection, or closes it and takes the next.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if counted := l.conns.add(c); counted != nil {
			return counted, nil
		}
		_ = c.Close()
	}
}

// add counts a connection, or returns nil if there is no room for it.
func (s *conns) add(c net.Conn) *conn {
	s.mu.Lock()
	var victim *conn
	if s.open >= s.max {
		oldest := s.idle.Front()
		if oldest == nil {
			s.mu.Unlock()
			return nil
		}
		victim = oldest.Value.(*conn)
		s.remove(victim)
	}
	s.open++
	counted := &conn{Conn: tcp.Of(c), all: s}
	counted.idle = s.idle.PushBack(counted)
	s.mu.Unlock()
	if victim != nil {
		_ = victim.Conn.Close()
	}
	return counted
}

// remove counts a connection no more. mu is held.
func (s *conns) remove(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	s.open--
	if c.idle != nil {
		s.idle.Remove(c.idle)
		c.idle = nil
	}
}

// serving has h serve requests, and tells meanwhile that their connections are not idle.
func (s *conns) serving(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.serve(1)
			defer c.serve(-1)
		}
		h.ServeHTTP(w, r)
	})
}

type connKey struct{}

// conn is a connection that is counted. The lock of all of them guards its fields.
type conn struct {
	net.Conn
	all    *conns
	gone   bool
	serves int
	idle   *list.Element // nil while it serves
}

func (c *conn) serve(n int) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.serves += n
	switch {
	case c.gone:
	case c.serves == 0:
		c.idle = c.all.idle.PushBack(c)
	case c.idle != nil:
		c.all.idle.Remove(c.idle)
		c.idle = nil
	}
}

func (c *conn) Close() error {
	c.all.mu.Lock()
	c.all.remove(c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite is what net/http looks for before it closes: the client gets the last answer before the connection breaks.
// OnWait is tcp.Conn's.
func (c *conn) OnWait(f func()) bool {
	w, ok := c.Conn.(interface{ OnWait(func()) bool })
	return ok && w.OnWait(f)
}

func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
