package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// lent is what a scope has lent to others, or is about to.
type lent struct {
	targets map[uint32]driver.Target
	streams map[uint32]io.Reader // that have not been sent yet: nobody reads them
}

func (l *lent) end() {
	for _, r := range l.streams {
		closeReader(r)
	}
	*l = lent{}
}

func closeReader(r io.Reader) {
	if c, ok := r.(io.Closer); ok {
		_ = c.Close()
	}
}

func (s *scope) Links() driver.Links { return links{s} }

type links struct{ s *scope }

func tooMany(what string) error {
	return &driver.Error{Name: "Error", Overloaded: true, Message: fmt.Sprintf(
		"durago: %d %s of one object or request are in use: dispose those that are not needed any more", abi.MaxLinks, what)}
}

func (l links) LendTarget(t driver.Target, class string) (value.Handle, error) {
	s := l.s
	s.g.take()
	if len(s.lent.targets) >= abi.MaxLinks {
		return value.Handle{}, tooMany("targets and callbacks")
	}
	id := s.g.nextToken()
	if _, err := s.do(abi.OpTarget, id, abi.AppendStr(nil, class)); err != nil {
		return value.Handle{}, err
	}
	if s.lent.targets == nil {
		s.lent.targets = map[uint32]driver.Target{}
	}
	s.g.pin()
	s.lent.targets[id] = t
	s.g.unpin()
	s.g.settle()
	if class == "" {
		return value.Handle{Kind: abi.LinkCallback, ID: id}, nil
	}
	return value.Handle{Kind: abi.LinkTarget, ID: id}, nil
}

func (l links) LendStream(r io.Reader) (value.Handle, error) {
	s := l.s
	s.g.take()
	if in, ok := r.(*incoming); ok && in.scope == s && in.handle != 0 {
		if in.touched {
			return value.Handle{}, &driver.Error{Name: "TypeError", Message: "The ReadableStream has been locked to a reader."}
		}
		in.pass()
		return value.Handle{Kind: abi.LinkPass, ID: in.handle}, nil
	}
	if len(s.lent.streams) >= abi.MaxLinks {
		return value.Handle{}, tooMany("streams")
	}
	if s.lent.streams == nil {
		s.lent.streams = map[uint32]io.Reader{}
	}
	id := s.g.nextToken()
	s.g.pin()
	s.lent.streams[id] = r
	s.g.unpin()
	s.g.settle()
	return value.Handle{Kind: abi.LinkStream, ID: id}, nil
}

func (l links) LendStub(t driver.Stub) (value.Handle, error) {
	own, ok := t.(*stub)
	if !ok || own.s != l.s {
		return value.Handle{}, errors.New("objects: this stub belongs to another object or request")
	}
	if own.disposed {
		return value.Handle{}, errDisposed
	}
	return value.Handle{Kind: abi.LinkStub, ID: own.handle}, nil
}

func (l links) Stub(h value.Handle) (driver.Stub, error) {
	if h.Kind != abi.LinkStub {
		return nil, errors.New("it is a stream, and cannot be called")
	}
	return l.s.stub(h.ID), nil
}

func (l links) Stream(h value.Handle) (io.ReadCloser, error) {
	if h.Kind != abi.LinkStream {
		return nil, errors.New("it is no stream")
	}
	in := &incoming{scope: l.s, handle: h.ID}
	in.collect()
	return in, nil
}

func (l links) Unlend(b []byte) { l.s.sent(b, errGone) }

// sent is told that a value has left, or why not: then what it lends comes back, else what reads its streams can begin.
func (s *scope) sent(b []byte, failed error) {
	if len(b) == 0 || b[0] != value.TagLinks {
		return
	}
	places, rest, err := value.CutLinks(b)
	if err != nil {
		return
	}
	s.g.take()
	for _, p := range places {
		h := value.HandleAt(rest, p)
		switch h.Kind {
		case abi.LinkStream:
			r := s.lent.streams[h.ID]
			delete(s.lent.streams, h.ID)
			switch {
			case r == nil:
			case failed != nil:
				closeReader(r)
			default:
				s.Go(func(ctx context.Context) { s.pump(ctx, h.ID, readCloser{r}) })
			}
		case abi.LinkTarget, abi.LinkCallback:
			if failed != nil {
				_, _ = s.do(abi.OpStubDrop, h.ID, nil)
				s.unlent(h.ID)
			}
		}
	}
}

type readCloser struct{ io.Reader }

func (r readCloser) Close() error {
	closeReader(r.Reader)
	return nil
}

// unlent is told that nobody has a target any more. It is called where nothing may wait.
func (s *scope) unlent(id uint32) {
	t := s.lent.targets[id]
	if t == nil {
		return
	}
	delete(s.lent.targets, id)
	s.g.start(func() {
		newLabel(s, nil, 0).set()
		defer func() {
			if r := recover(); r != nil {
				s.Log(context.Background(), abi.LogError, fmt.Sprintf("%v\n%s", panicError(r), debug.Stack()))
			}
		}()
		t.Dispose()
	})
}

// target runs a call of something that was lent.
func (e *event) target() error {
	r := abi.NewReader(e.frame)
	t := e.scope.lent.targets[r.U32()]
	if t == nil {
		return &driver.Error{Name: "Error", Message: "The execution context which hosts this callback is no longer running."}
	}
	return e.call(&r, t)
}
