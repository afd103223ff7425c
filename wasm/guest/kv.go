package guest

import (
	"context"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

func (s *scope) KV() driver.KV           { return kv{s} }
func (s *scope) AsyncKV() driver.AsyncKV { return asyncKV{s} }

type kv struct{ s *scope }

func (k kv) Get(key string) ([]byte, bool, error) {
	a, err := k.s.do(abi.OpKVGet, 0, []byte(key))
	if err != nil || len(a) == 0 || a[0] == 0 {
		return nil, false, err
	}
	return a[1:], true, nil
}

func (k kv) Put(key string, value []byte) error {
	_, err := k.s.do(abi.OpKVPut, 0, append(abi.AppendStr(make([]byte, 0, len(key)+len(value)+4), key), value...))
	return err
}

func (k kv) Delete(key string) (bool, error) {
	a, err := k.s.do(abi.OpKVDelete, 0, []byte(key))
	return len(a) > 0 && a[0] == 1, err
}

func (k kv) List(o driver.ListOptions) ([]driver.Entry, error) {
	a, err := k.s.do(abi.OpKVList, 0, appendListOptions(nil, o))
	if err != nil {
		return nil, err
	}
	return readEntries(a)
}

type asyncKV struct{ s *scope }

func (k asyncKV) Get(ctx context.Context, keys []string, flags byte) ([]driver.Entry, error) {
	a, err := k.s.await(ctx, abi.OpGet, func() []byte { return appendKeys(keys, flags) })
	if err != nil {
		return nil, err
	}
	return readEntries(a)
}

func (k asyncKV) Put(ctx context.Context, entries []driver.Entry, flags byte) error {
	_, err := k.s.await(ctx, abi.OpPut, func() []byte {
		b := abi.AppendU32([]byte{flags}, uint32(len(entries)))
		for _, e := range entries {
			b = abi.AppendStr(abi.AppendStr(b, e.Key), e.Value)
		}
		return b
	})
	return err
}

func (k asyncKV) Delete(ctx context.Context, keys []string, flags byte) (int, error) {
	a, err := k.s.await(ctx, abi.OpDelete, func() []byte { return appendKeys(keys, flags) })
	r := abi.NewReader(a)
	return int(r.U32()), err
}

func (k asyncKV) List(ctx context.Context, o driver.ListOptions, flags byte) ([]driver.Entry, error) {
	a, err := k.s.await(ctx, abi.OpList, func() []byte { return appendListOptions([]byte{flags}, o) })
	if err != nil {
		return nil, err
	}
	return readEntries(a)
}

func appendKeys(keys []string, flags byte) []byte {
	b := abi.AppendU32([]byte{flags}, uint32(len(keys)))
	for _, k := range keys {
		b = abi.AppendStr(b, k)
	}
	return b
}

func appendListOptions(b []byte, o driver.ListOptions) []byte {
	var flags byte
	var limit float64
	text := [4]string{}
	for i, f := range [...]struct {
		s   *string
		bit byte
	}{{o.Prefix, abi.ListPrefix}, {o.Start, abi.ListStart}, {o.StartAfter, abi.ListStartAfter}, {o.End, abi.ListEnd}} {
		if f.s != nil {
			flags |= f.bit
			text[i] = *f.s
		}
	}
	if o.Limit != nil {
		flags |= abi.ListLimit
		limit = *o.Limit
	}
	if o.Reverse {
		flags |= abi.ListReverse
	}
	b = abi.AppendF64(append(b, flags), limit)
	for _, t := range text {
		b = abi.AppendStr(b, t)
	}
	return b
}

func readEntries(b []byte) ([]driver.Entry, error) {
	r := abi.NewReader(b)
	out := make([]driver.Entry, r.Count(8))
	for i := range out {
		out[i] = driver.Entry{Key: r.Str(), Value: r.Bytes()}
	}
	return out, r.Err()
}
