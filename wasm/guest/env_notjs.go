//go:build !js

package guest

import (
	"context"
	"fmt"
	"time"

	"durago.example/objects/driver"
)

// Namespace is a Workers KV namespace. Its methods may be called from any goroutine, and take their time.
type Namespace interface {
	Get(key string) (value []byte, ok bool, err error)
	Put(key string, value []byte, ttl time.Duration) error
	Delete(key string) error
	List(prefix, cursor string, limit int) (keys []string, next string, err error)
}

type env struct{ s *scope }

func (e env) Var(name string) (string, bool) { return e.s.g.r.Var(name) }

func (e env) KV(binding string) (driver.KVNamespace, error) {
	n := e.s.g.r.KV(binding)
	if n == nil {
		return nil, fmt.Errorf("objects: no KV namespace is bound as %s: add it to kv_namespaces in the wrangler configuration", binding)
	}
	return kvNamespace{e.s, n}, nil
}

type kvNamespace struct {
	s *scope
	n Namespace
}

func (k kvNamespace) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	var got struct {
		value []byte
		ok    bool
	}
	err = k.perform(ctx, atOnce, func() (err error) { got.value, got.ok, err = k.n.Get(key); return err })
	if err != nil { // it may still be under way
		return nil, false, err
	}
	return got.value, got.ok, nil
}

func (k kvNamespace) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	value = append([]byte(nil), value...)
	return k.perform(ctx, k.s.g.r.Output, func() error { return k.n.Put(key, value, ttl) })
}

func (k kvNamespace) Delete(ctx context.Context, key string) error {
	return k.perform(ctx, k.s.g.r.Output, func() error { return k.n.Delete(key) })
}

func (k kvNamespace) List(ctx context.Context, prefix, cursor string, limit int) (keys []string, next string, err error) {
	var got struct {
		keys []string
		next string
	}
	err = k.perform(ctx, atOnce, func() (err error) { got.keys, got.next, err = k.n.List(prefix, cursor, limit); return err })
	if err != nil {
		return nil, "", err
	}
	return got.keys, got.next, nil
}

func atOnce(f func(error)) { f(nil) }

// perform has f run off the loop, after gate, and waits for its end.
func (k kvNamespace) perform(ctx context.Context, gate func(func(error)), f func() error) error {
	s := k.s
	s.g.take()
	if l := running(); l != nil && l.section != nil && l.section.sync {
		return errWouldWait
	}
	if err := s.enter(); err != nil {
		return err
	}
	token := s.g.nextToken()
	p := &pending{done: newSignal()}
	if s.tokens == nil {
		s.tokens = map[uint32]*pending{}
	}
	s.tokens[token] = p
	done := func(err error) {
		var frame []byte
		if err != nil {
			frame = appendError(nil, &driver.Error{Name: "Error", Message: err.Error()}, "")
		}
		s.g.r.Done(s.id, token, frame)
	}
	s.g.within(func() {
		gate(func(broken error) {
			if broken != nil {
				done(broken)
				return
			}
			go func() { done(f()) }()
		})
	})
	if !s.g.park(&p.done, nil, ctx.Done()) {
		s.withdraw(token)
		return context.Cause(ctx)
	}
	return p.err
}
