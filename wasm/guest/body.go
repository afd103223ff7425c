package guest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"unsafe"

	"durago.example/wasm/abi"
)

// view is b as a string, without a copy; b must not change any more.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// incoming is a body that the runtime produces: inline, or a stream of chunks that are asked for one by one.
type incoming struct {
	scope   *scope
	handle  uint32 // 0: all of it is in chunk
	chunk   []byte
	err     error
	touched bool // it has been read, or is somebody else's
	passed  bool // it is somebody else's
}

// pass gives the body away, to another object or the network.
func (b *incoming) pass() { b.touched, b.passed = true, true }

// readBody reads a Body to the end of the frame; length is -1 if unknown.
func (s *scope) readBody(r *abi.Reader) (io.ReadCloser, int64) {
	switch r.U8() {
	case abi.BodyInline:
		b := r.Rest()
		return &incoming{scope: s, chunk: b}, int64(len(b))
	case abi.BodyStream:
		return &incoming{scope: s, handle: r.U32()}, -1
	}
	return nil, 0
}

// release ends a request's body when its handler has returned, as net/http's server does.
func (b *incoming) release() {
	if b.handle == 0 || b.passed {
		return
	}
	if b.handle < abi.FirstEvent { // else the runtime ends it
		_ = b.Close()
	}
	b.err = http.ErrBodyReadAfterClose
}

// collect has a stream that an object has been given end when the program has no use for it any more, though it did not close it.
// What a request to the front has ends with it.
func (b *incoming) collect() {
	s := b.scope
	if s.class == nil {
		return
	}
	runtime.AddCleanup(b, drop, handle{s.g, s.id, b.handle, abi.OpBodyCancel})
	s.g.tellDropped()
}

func (b *incoming) Read(p []byte) (int, error) {
	b.touched = true
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.chunk) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		if b.handle == 0 {
			return 0, io.EOF
		}
		chunk, err := b.scope.await(context.Background(), abi.OpBodyRead, func() []byte {
			return abi.AppendU32(b.scope.g.scratch(), b.handle)
		})
		if err == nil && len(chunk) == 0 {
			err = io.EOF
		}
		b.chunk, b.err = chunk, err
	}
	n := copy(p, b.chunk)
	b.chunk = b.chunk[n:]
	return n, nil
}

// WriteTo saves io.Copy its buffer.
func (b *incoming) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(b.chunk) == 0 {
			if b.handle == 0 {
				return n, nil
			}
			var one [1]byte
			k, err := b.Read(one[:])
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			k, err = w.Write(one[:k])
			n += int64(k)
			if err != nil {
				return n, err
			}
		}
		chunk := b.chunk
		b.chunk = nil
		k, err := w.Write(chunk)
		n += int64(k)
		if err != nil {
			return n, err
		}
		if b.handle == 0 {
			return n, nil
		}
	}
}

func (b *incoming) Close() error {
	if b.handle != 0 && b.err == nil {
		b.err = errors.New("http: read on closed response body")
		_, _ = b.scope.do(abi.OpBodyCancel, b.handle, nil)
	}
	b.chunk = nil
	return nil
}

// writeStream sends p on a stream and waits until there is room for more.
func (s *scope) writeStream(ctx context.Context, stream uint32, p []byte) error {
	for len(p) > 0 {
		chunk := p[:min(len(p), maxInline)]
		p = p[len(chunk):]
		if _, err := s.await(ctx, abi.OpBodyWrite, func() []byte {
			return append(abi.AppendU32(make([]byte, 0, len(chunk)+4), stream), chunk...)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) endStream(stream uint32, err error) {
	var frame []byte
	if err != nil {
		frame = appendError(nil, err, "")
	}
	_, _ = s.do(abi.OpBodyEnd, stream, frame)
}

// pump copies a body to a stream.
func (s *scope) pump(ctx context.Context, stream uint32, body io.ReadCloser) {
	defer body.Close()
	buf := make([]byte, maxInline)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if werr := s.writeStream(ctx, stream, buf[:n]); werr != nil {
				s.endStream(stream, werr) // nobody reads it: it is given back
				return
			}
		}
		if err == io.EOF {
			s.endStream(stream, nil)
			return
		}
		if err != nil {
			s.endStream(stream, err)
			return
		}
	}
}

var _ io.WriterTo = (*incoming)(nil)
