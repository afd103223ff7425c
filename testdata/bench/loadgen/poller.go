package loadgen

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"
)

// poller reads the connections of many members on one thread, and asks the kernel which of them have something: a goroutine for
// each, and Go's poller, took more of the processors than the servers that are measured.
type poller struct {
	epoll   int
	closing atomic.Bool
	done    chan struct{}

	mu      sync.Mutex
	members map[int32]*member
}

// member is a connection that is watched.
type member struct {
	conn  *polled
	read  func() (n int, ok bool)
	taken int64 // bytes that messages were made of
}

// newPoller makes one that reads until it is closed.
func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &poller{epoll: fd, done: make(chan struct{}), members: map[int32]*member{}}
	go p.run()
	return p, nil
}

// watch has read called, on the poller's thread, for each message of a connection that dialPolled has made. It reads one, and
// tells its length, and whether there may be another.
func (p *poller) watch(c *websocket.Conn, read func() (n int, ok bool)) error {
	own := c.NetConn().(*polled)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members[int32(own.fd)] = &member{own, read, own.got}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(own.fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, own.fd, &e))
}

func (p *poller) run() {
	defer close(p.done)
	ready := make([]unix.EpollEvent, 128)
	for !p.closing.Load() || p.watched() > 0 {
		n, err := unix.EpollWait(p.epoll, ready, 50)
		if err != nil && err != unix.EINTR {
			return
		}
		for i := range max(n, 0) {
			p.mu.Lock()
			m := p.members[ready[i].Fd]
			p.mu.Unlock()
			if !m.readAll() {
				p.forget(ready[i].Fd)
			}
		}
	}
}

// readAll reads the messages that have come. A frame of the server has a head of 2, 4 or 10 bytes; what is beyond the last one
// that was read is in the buffer of the WebSocket, where epoll does not see it.
func (m *member) readAll() bool {
	for {
		n, ok := m.read()
		if !ok {
			return false
		}
		switch m.taken += int64(2 + n); {
		case n >= 1<<16:
			m.taken += 8
		case n >= 126:
			m.taken += 2
		}
		if m.taken >= m.conn.got {
			return true
		}
	}
}

func (p *poller) watched() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.members)
}

func (p *poller) forget(fd int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.members, fd)
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
}

// close waits until all connections that are watched have ended, and ends them after so long.
func (p *poller) close(limit time.Duration) {
	p.closing.Store(true)
	select {
	case <-p.done:
	case <-time.After(limit):
		p.mu.Lock()
		for _, m := range p.members {
			_ = unix.Shutdown(m.conn.fd, unix.SHUT_RDWR)
		}
		p.mu.Unlock()
		<-p.done
	}
	_ = unix.Close(p.epoll)
}

// polled is a TCP connection that Go's poller does not know. It does not block: Read and Write wait, with poll, up to their
// deadlines.
type polled struct {
	local, remote net.Addr
	fd            int
	reads, writes time.Time // deadlines
	got           int64     // bytes that were read
	closed        sync.Once
}

// dialPolled is for a Dialer.
func dialPolled(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	own := &polled{local: c.LocalAddr(), remote: c.RemoteAddr()}
	if e := raw.Control(func(fd uintptr) { own.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return own, nil
}

func (c *polled) LocalAddr() net.Addr  { return c.local }
func (c *polled) RemoteAddr() net.Addr { return c.remote }

func (c *polled) SetDeadline(t time.Time) error      { c.reads, c.writes = t, t; return nil }
func (c *polled) SetReadDeadline(t time.Time) error  { c.reads = t; return nil }
func (c *polled) SetWriteDeadline(t time.Time) error { c.writes = t; return nil }

// wait returns when the connection is ready, or the deadline has passed.
func (c *polled) wait(events int16, until time.Time) error {
	limit := -1
	if !until.IsZero() {
		limit = max(0, int(time.Until(until).Milliseconds()))
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: events}}, limit)
	if err != nil && err != unix.EINTR {
		return os.NewSyscallError("poll", err)
	}
	if n == 0 && err == nil {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *polled) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(c.fd, p)
		switch {
		case err == nil && n == 0 && len(p) > 0:
			return 0, io.EOF
		case err == nil:
			c.got += int64(n)
			return n, nil
		case err == unix.EAGAIN:
			err = c.wait(unix.POLLIN, c.reads)
		case err == unix.EINTR:
			err = nil
		}
		if err != nil {
			return 0, err
		}
	}
}

func (c *polled) Write(p []byte) (n int, err error) {
	for n < len(p) {
		k, err := unix.Write(c.fd, p[n:])
		switch {
		case err == nil:
			n += k
		case err == unix.EAGAIN:
			err = c.wait(unix.POLLOUT, c.writes)
		case err == unix.EINTR:
			err = nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Close closes it, when nobody reads or writes any more.
func (c *polled) Close() (err error) {
	c.closed.Do(func() { err = unix.Close(c.fd) })
	return err
}
