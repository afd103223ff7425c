package host

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"durago.example/host/durable"
)

// Operator is what who operates a worker does to its objects, past their code: of a worker that runs (Host), or of its data
// when none does (Data). class may also be a binding's name, and object is a name or an id. No verb makes an object, but
// Restore. All may be called from any goroutine; those that wait for an object's events give up when ctx ends.
type Operator struct {
	namespaces map[string]*durable.Namespace // by class
	bindings   map[string]*durable.Namespace
	elsewhere  func(binding string) (*durable.Namespace, error) // of another worker; nil if there is none
}

func newOperator() Operator {
	return Operator{namespaces: map[string]*durable.Namespace{}, bindings: map[string]*durable.Namespace{}}
}

// target is one object.
type target struct {
	ns   *durable.Namespace
	id   string
	name *string // nil if it was named by its id
}

func (p *Operator) namespace(name string) (*durable.Namespace, error) {
	for _, m := range []map[string]*durable.Namespace{p.bindings, p.namespaces} {
		if n := m[name]; n != nil {
			return n, nil
		}
	}
	if p.elsewhere != nil {
		if n, err := p.elsewhere(name); err == nil {
			return n, nil
		}
	}
	return nil, fmt.Errorf("there is no class or binding %s: the configuration has %s", name, strings.Join(slices.Sorted(maps.Keys(p.namespaces)), ", "))
}

// find is an object by its id, or else by its name. What looks like an id and is none of the class is not taken for a name:
// it would be the id of another class far more often.
func (p *Operator) find(class, object string) (t target, err error) {
	n, err := p.namespace(class)
	if err != nil {
		return t, err
	}
	if id, err := n.ParseID(object); err == nil {
		return target{n, id, nil}, nil
	}
	if b, err := hex.DecodeString(object); err == nil && len(b) == 32 {
		return t, fmt.Errorf("%s is the id of an object of another class than %s: check the class", object, n.Class)
	}
	return target{n, n.IDFromName(object), &object}, nil
}

// visit runs f with the object on its loop, and returns what is given to done, which f has called once.
func visit[T any](ctx context.Context, p *Operator, class, object string, f func(o *durable.Object, done func(T, error))) (v T, err error) {
	t, err := p.find(class, object)
	if err != nil {
		return v, err
	}
	return await(ctx, func(done func(T, error)) error {
		return t.ns.Visit(t.id, t.name, func(o *durable.Object) { f(o, done) })
	})
}

// peek is visit for an object of which something is in memory; nil is none.
func peek[T any](ctx context.Context, p *Operator, class, object string, f func(o *durable.Object, done func(T, error))) (v T, err error) {
	t, err := p.find(class, object)
	if err != nil {
		return v, err
	}
	return await(ctx, func(done func(T, error)) error {
		return t.ns.Peek(t.id, func(o *durable.Object) { f(o, done) })
	})
}

// beside is visit for what is done between two turns: see durable.Object.Beside.
func beside[T any](ctx context.Context, p *Operator, verb, class, object string, f func(o *durable.Object) (T, error)) (T, error) {
	v, err := visit(ctx, p, class, object, func(o *durable.Object, done func(T, error)) {
		var v T
		o.Beside(ctx, func() (err error) {
			v, err = f(o)
			return err
		}, func(err error) { done(v, err) })
	})
	return v, noData(verb, class, object, err)
}

func await[T any](ctx context.Context, begin func(done func(T, error)) error) (v T, err error) {
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	if err := begin(func(v T, err error) { c <- result{v, err} }); err != nil {
		return v, err
	}
	select {
	case r := <-c:
		return r.v, r.err
	case <-ctx.Done(): // the object may be held up for long
		return v, ctx.Err()
	}
}

// noData says what was to be done to an object that has stored nothing.
func noData(verb, class, object string, err error) error {
	if errors.Is(err, durable.ErrNoData) {
		return fmt.Errorf("cannot %s %s of %s: %w", verb, object, class, err)
	}
	return err
}

func sortedNamespaces(m map[string]*durable.Namespace) (list []*durable.Namespace) {
	for _, class := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[class])
	}
	return list
}

// ErrNoData says that an object has stored nothing.
var ErrNoData = durable.ErrNoData
