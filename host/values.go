package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"

	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/v8"
	"durago.example/wasm/value"
)

// Value is a key of an object's key-value storage and what it holds, as JSON.
type Value struct {
	Key  string          `json:"key"`
	JSON json.RawMessage `json:"value"`
	// Inexact says where the value holds what JSON does not have, and what stands there in its place: putting the JSON back
	// would store something else. At most 16 places. undefined within a value is null, without a word.
	Inexact []string `json:"inexact,omitempty"`
}

// ErrNoKey says that a key has no value.
var ErrNoKey = errors.New("there is no such key")

// Value reads the value of a key: ErrNoKey if it has none.
func (p *Operator) Value(ctx context.Context, class, object, key string) (*Value, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return beside(ctx, p, "read", class, object, func(o *durable.Object) (*Value, error) {
		stored, ok, err := o.Database().Get(key)
		if err == nil && !ok {
			err = fmt.Errorf("%w as %q", ErrNoKey, key)
		}
		if err != nil {
			return nil, err
		}
		return readValue(key, stored)
	})
}

// PutValue stores JSON under a key, and returns once that is durable: objects as plain objects with their keys in order,
// numbers as numbers, which have 53 bits. A whole number that does not fit is an error.
func (p *Operator) PutValue(ctx context.Context, class, object, key string, text []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	stored, err := writeValue(text)
	if err != nil {
		return err
	}
	_, err = beside(ctx, p, "write to", class, object, func(o *durable.Object) (struct{}, error) {
		return struct{}{}, o.Together(func() error { return o.Database().Put(key, stored) })
	})
	return err
}

// DeleteValue removes a key, and returns once that is durable: ErrNoKey if there was none.
func (p *Operator) DeleteValue(ctx context.Context, class, object, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	_, err := beside(ctx, p, "write to", class, object, func(o *durable.Object) (struct{}, error) {
		_, ok, err := o.Database().Get(key)
		if err == nil && !ok {
			err = fmt.Errorf("%w as %q", ErrNoKey, key)
		}
		if err == nil {
			_, err = o.Database().Delete(key)
		}
		return struct{}{}, err
	})
	return err
}

// ListOptions select keys, in the order of their bytes; a nil bound is none, and Limit 0 is all.
type ListOptions struct {
	Prefix, Start, End *string // Start is the first, End comes after the last
	Limit              int
	KeysOnly           bool // values are left out
}

// valuesPage is how many entries are read in one turn of the object: a value has up to 2 MB.
const valuesPage = 16

// Values gives the keys and values that are selected. They are read a few at a time, and the object's events come in
// between: what is written meanwhile may be among them or not.
func (p *Operator) Values(ctx context.Context, class, object string, l ListOptions) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if l.Limit < 0 {
			yield(Value{}, fmt.Errorf("the limit is %d: must be at least 1, or 0 for no limit", l.Limit))
			return
		}
		o := storage.ListOptions{Prefix: l.Prefix, Start: l.Start, End: l.End}
		for left := l.Limit; ; {
			o.Limit = valuesPage
			if l.Limit > 0 {
				o.Limit = min(valuesPage, left)
			}
			page, err := beside(ctx, p, "read", class, object, func(d *durable.Object) ([]storage.Entry, error) { return d.Database().List(o) })
			if err != nil {
				yield(Value{}, err)
				return
			}
			for _, e := range page {
				v := &Value{Key: e.Key}
				if !l.KeysOnly {
					v, err = readValue(e.Key, e.Value)
				}
				if err != nil {
					yield(Value{}, err)
					return
				}
				if !yield(*v, nil) {
					return
				}
			}
			left -= len(page)
			if len(page) < o.Limit || l.Limit > 0 && left == 0 {
				return
			}
			o.Start, o.StartAfter = nil, &page[len(page)-1].Key
		}
	}
}

// maxKey is the platform's, in bytes. See https://developers.cloudflare.com/durable-objects/platform/limits/.
const maxKey = 2048

func checkKey(key string) error {
	switch {
	case !utf8.ValidString(key):
		return fmt.Errorf("the key %q is not UTF-8: no object's code can have stored it", key)
	case len(key) > maxKey:
		return fmt.Errorf("the key has %d bytes: must have at most %d", len(key), maxKey)
	}
	return nil
}

func readValue(key string, stored []byte) (*Value, error) {
	encoded, err := v8.Decode(nil, stored)
	var v any
	if err == nil {
		err = value.Unmarshal(encoded, &v)
	}
	if err != nil {
		return nil, fmt.Errorf("the value of %q cannot be given as JSON: %w", key, err)
	}
	var r rendering
	v = r.render("$", v)
	out := &Value{Key: key, Inexact: r.inexact}
	if out.JSON, err = json.Marshal(v); err != nil {
		return nil, fmt.Errorf("the value of %q cannot be given as JSON: %w", key, err)
	}
	return out, nil
}
