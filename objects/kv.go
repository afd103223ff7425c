package objects

import (
	"context"
	"iter"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// KV is synchronous key-value storage. Values are whatever structured clone holds, read and written through typed keys.
// Keys sort by their UTF-8 bytes. See https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
type KV struct{ db driver.KV }

// Key is a key whose values are of type V.
//
//	var last = objects.NewKey[string]("last")
type Key[V any] struct{ name string }

// NewKey makes a typed key.
func NewKey[V any](name string) Key[V] { return Key[V]{name} }

// Name is the key itself.
func (k Key[V]) Name() string { return k.name }

// Get reads the value; ok tells whether there is one.
func (k Key[V]) Get(kv *KV) (v V, ok bool, err error) {
	b, ok, err := kv.db.Get(k.name)
	if ok && err == nil {
		err = decodeValue(b, &v)
	}
	return v, ok, err
}

// Put writes the value.
func (k Key[V]) Put(kv *KV, v V) error {
	b, err := encodeValue(v)
	if err != nil {
		return err
	}
	return kv.db.Put(k.name, b)
}

// Delete removes the value and tells whether there was one.
func (k Key[V]) Delete(kv *KV) (existed bool, err error) { return kv.db.Delete(k.name) }

// ListOptions selects keys: Start is included, StartAfter and End are not; zero values do not bound. Limit is the
// greatest number of entries.
type ListOptions struct {
	Prefix, Start, StartAfter, End string
	Limit                          int
	Reverse                        bool
}

func (o *ListOptions) driver() (d driver.ListOptions) {
	if o == nil {
		return d
	}
	set := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	d.Prefix, d.Start, d.StartAfter, d.End = set(o.Prefix), set(o.Start), set(o.StartAfter), set(o.End)
	if o.Limit != 0 {
		n := float64(o.Limit)
		d.Limit = &n
	}
	d.Reverse = o.Reverse
	return d
}

// List yields keys and values in order, decoded as V.
func List[V any](kv *KV, o *ListOptions) iter.Seq2[Entry[V], error] {
	entries, err := kv.db.List(o.driver())
	return decodeEntries[V](entries, err)
}

// Entry is a key and its value.
type Entry[V any] struct {
	Key   string
	Value V
}

func decodeEntries[V any](entries []driver.Entry, err error) iter.Seq2[Entry[V], error] {
	return func(yield func(Entry[V], error) bool) {
		if err != nil {
			yield(Entry[V]{}, err)
			return
		}
		for _, e := range entries {
			out := Entry[V]{Key: e.Key}
			err := decodeValue(e.Value, &out.Value)
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// AsyncKV is key-value storage through promises.
type AsyncKV struct{ db driver.AsyncKV }

// AsyncOptions are hints. AllowUnconfirmed lets answers leave the object before the write is on disk.
type AsyncOptions struct{ AllowConcurrency, AllowUnconfirmed, NoCache bool }

func (o *AsyncOptions) flags() (f byte) {
	if o == nil {
		return 0
	}
	if o.AllowConcurrency {
		f |= abi.KVAllowConcurrency
	}
	if o.AllowUnconfirmed {
		f |= abi.KVAllowUnconfirmed
	}
	if o.NoCache {
		f |= abi.KVNoCache
	}
	return f
}

// GetAsync reads a value through the promise interface.
func (k Key[V]) GetAsync(ctx context.Context, kv *AsyncKV, o *AsyncOptions) (v V, ok bool, err error) {
	entries, err := kv.db.Get(ctx, []string{k.name}, o.flags())
	if err != nil || len(entries) == 0 {
		return v, false, err
	}
	return v, true, decodeValue(entries[0].Value, &v)
}

// PutAsync writes a value through the promise interface.
func (k Key[V]) PutAsync(ctx context.Context, kv *AsyncKV, v V, o *AsyncOptions) error {
	b, err := encodeValue(v)
	if err != nil {
		return err
	}
	return kv.db.Put(ctx, []driver.Entry{{Key: k.name, Value: b}}, o.flags())
}

// GetMany reads several keys; missing ones are left out.
func GetMany[V any](ctx context.Context, kv *AsyncKV, keys []string, o *AsyncOptions) (map[string]V, error) {
	entries, err := kv.db.Get(ctx, keys, o.flags())
	out := make(map[string]V, len(entries))
	for e, err := range decodeEntries[V](entries, err) {
		if err != nil {
			return nil, err
		}
		out[e.Key] = e.Value
	}
	return out, nil
}

// PutMany writes several keys at once.
func PutMany[V any](ctx context.Context, kv *AsyncKV, values map[string]V, o *AsyncOptions) error {
	entries := make([]driver.Entry, 0, len(values))
	for k, v := range values {
		b, err := encodeValue(v)
		if err != nil {
			return err
		}
		entries = append(entries, driver.Entry{Key: k, Value: b})
	}
	return kv.db.Put(ctx, entries, o.flags())
}

// Delete removes keys and tells how many there were.
func (kv *AsyncKV) Delete(ctx context.Context, keys []string, o *AsyncOptions) (int, error) {
	return kv.db.Delete(ctx, keys, o.flags())
}

// ListAsync reads a range of keys through the promise interface.
func ListAsync[V any](ctx context.Context, kv *AsyncKV, l *ListOptions, o *AsyncOptions) iter.Seq2[Entry[V], error] {
	entries, err := kv.db.List(ctx, l.driver(), o.flags())
	return decodeEntries[V](entries, err)
}
