package objects

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"

	"durago.example/objects/driver"
	"durago.example/wasm/value"
)

// linked is what crosses in a call and is no data, besides streams: *Target, *Callback and *Stub.
type linked interface {
	value.Linked
	lend(l driver.Links) (value.Handle, error)
	take(s driver.Stub)
}

// linker makes handles of what a value of ctx's holds, and the reverse.
type linker struct {
	ctx  context.Context
	left []value.Handle // in the value that is read, and taken by nobody yet
}

var _ value.Links = (*linker)(nil)

func (k *linker) links() (driver.Links, error) {
	s := scopeOf(k.ctx)
	if s == nil {
		return nil, errNoScope
	}
	return s.Links(), nil
}

func (k *linker) Link(v any) (value.Handle, error) {
	l, err := k.links()
	if err != nil {
		return value.Handle{}, err
	}
	switch v := v.(type) {
	case linked:
		return v.lend(l)
	case io.Reader:
		return l.LendStream(v)
	}
	return value.Handle{}, fmt.Errorf("objects: %T cannot cross", v)
}

var anyType = reflect.TypeFor[any]()

// open takes the list of handles off a value that is to be read.
func (k *linker) open(b []byte) (rest []byte, err error) {
	places, rest, err := value.CutLinks(b)
	for _, p := range places {
		k.left = append(k.left, value.HandleAt(rest, p))
	}
	return rest, err
}

// finish gives up what was in the value and went nowhere: further arguments, properties that no field has, types that do
// not fit.
func (k *linker) finish() {
	l, err := k.links()
	if err != nil {
		return
	}
	for _, h := range k.left {
		if s, err := l.Stream(h); err == nil {
			_ = s.Close()
		} else if s, err := l.Stub(h); err == nil {
			s.Dispose()
		}
	}
}

func (k *linker) Follow(h value.Handle, v reflect.Value) error {
	l, err := k.links()
	if err != nil {
		return err
	}
	if err := follow(l, h, v); err != nil {
		return err
	}
	k.left = slices.DeleteFunc(k.left, func(x value.Handle) bool { return x == h })
	return nil
}

func follow(l driver.Links, h value.Handle, v reflect.Value) error {
	t := v.Type()
	switch {
	case t.Implements(linkedType) && t.Kind() == reflect.Pointer:
		s, err := l.Stub(h)
		if err != nil {
			return err
		}
		v.Set(reflect.New(t.Elem()))
		v.Interface().(linked).take(s)
		return nil
	case t.Kind() == reflect.Interface && streamType.Implements(t) && t != anyType:
		s, err := l.Stream(h)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(s))
		return nil
	case t == anyType: // it may be either
		if s, err := l.Stream(h); err == nil {
			v.Set(reflect.ValueOf(s))
			return nil
		}
		s, err := l.Stub(h)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(&Stub{stub: s}))
		return nil
	}
	return fmt.Errorf("cannot read a stream, stub, target or callback into %s", t)
}

var (
	linkedType = reflect.TypeFor[linked]()
	streamType = reflect.TypeFor[io.ReadCloser]()
)

// encodeLinked is for values that hold more than data. What it lent before an error is taken back.
func encodeLinked(ctx context.Context, values []reflect.Value, list bool) ([]byte, error) {
	b, err := value.AppendLinked(values, list, &linker{ctx: ctx})
	if err == nil {
		return b, nil
	}
	if s := scopeOf(ctx); s != nil {
		s.Links().Unlend(b)
	}
	return nil, err
}
