package bridge

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"durago.example/host/durable"
)

// Request is a request on its way to an object or to the front. It may cross loops; only one holds it at a time.
type Request struct {
	Method string
	URL    string
	Header []byte // abi Headers
	Inline []byte
	Body   Stream // nil if there is none or it is inline

	upgrade bool // the guest that sends it takes a socket for an answer
	depth   int  // services that it came through
}

// Size is what waits of the request while it does, in bytes.
func (r *Request) Size() int { return len(r.URL) + len(r.Header) + len(r.Inline) }

// Response is the answer.
type Response struct {
	Status int
	Header []byte // abi Headers
	Inline []byte
	Body   Stream
	Socket durable.Side // of a 101: who has the client's side attaches or refuses it
}

// Drop lets go of an answer that nobody wants.
func (r *Response) Drop() {
	if r.Body != nil {
		r.Body.Cancel()
	}
	if r.Socket != nil {
		r.Socket.Refuse()
	}
}

// Stream is a body that its consumer asks for chunk by chunk. An empty chunk without an error is the end.
type Stream interface {
	// Pull calls f once, from any goroutine; there is no second Pull before that.
	Pull(f func(chunk []byte, err error))
	// Cancel says that no Pull will come any more.
	Cancel()
}

// pipe is a stream that a guest writes. A write is answered when its chunk has been pulled.
type pipe struct {
	mu     sync.Mutex
	pull   func([]byte, error)
	chunk  []byte
	taken  func(error)
	ended  bool
	err    error
	closed bool
	gone   func() // its reader has; nil if nobody is to be told
}

var errReaderGone = errors.New("the reader of the body went away")

func (p *pipe) Pull(f func([]byte, error)) {
	p.mu.Lock()
	if p.chunk != nil {
		chunk, taken := p.chunk, p.taken
		p.chunk, p.taken = nil, nil
		p.mu.Unlock()
		f(chunk, nil)
		taken(nil)
		return
	}
	if p.ended {
		err := p.err
		p.mu.Unlock()
		f(nil, err)
		return
	}
	p.pull = f
	p.mu.Unlock()
}

func (p *pipe) Cancel() {
	p.mu.Lock()
	p.closed = true
	taken, gone := p.taken, p.gone
	p.chunk, p.taken, p.gone = nil, nil, nil
	p.mu.Unlock()
	if taken != nil {
		taken(errReaderGone)
	}
	if gone != nil {
		gone()
	}
}

func (p *pipe) write(chunk []byte, taken func(error)) {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		taken(errReaderGone)
	case p.pull != nil:
		f := p.pull
		p.pull = nil
		p.mu.Unlock()
		f(chunk, nil)
		taken(nil)
	default:
		p.chunk, p.taken = chunk, taken
		p.mu.Unlock()
	}
}

func (p *pipe) end(err error) {
	p.mu.Lock()
	p.ended, p.err = true, err
	f := p.pull
	p.pull = nil
	p.mu.Unlock()
	if f != nil {
		f(nil, err)
	}
}

// watch has f called when the reader goes away, or has done so.
func (p *pipe) watch(f func()) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.gone = f
	}
	p.mu.Unlock()
	if closed {
		f()
	}
}

// streamed lets the object go whose response's body has ended.
func (e *event) streamed() {
	if e.hold != nil {
		e.hold()
	}
}

// reader is a stream over an io.ReadCloser, read on a goroutine of its own for each chunk.
type reader struct {
	r      io.ReadCloser
	gone   func()     // what Cancel does besides; may be nil
	mu     sync.Mutex // held while a read is under way
	closed atomic.Bool
}

const chunkSize = 64 << 10

func (b *reader) Pull(f func([]byte, error)) {
	go func() { f(b.next()) }()
}

func (b *reader) next() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	buf := make([]byte, chunkSize)
	for !b.closed.Load() {
		n, err := b.r.Read(buf)
		if n > 0 {
			return buf[:n], nil
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, io.ErrClosedPipe
}

func (b *reader) Cancel() {
	b.closed.Store(true)
	if b.gone != nil {
		b.gone()
	}
}

// Stop ends a stream of NewStream: it returns when no read is under way and none will come. interrupt is called if one
// is, and must have it fail.
func Stop(s Stream, interrupt func()) {
	b, ok := s.(*reader)
	if !ok {
		return
	}
	b.closed.Store(true)
	if !b.mu.TryLock() {
		interrupt()
		b.mu.Lock()
	}
	b.mu.Unlock()
	_ = b.r.Close()
}
