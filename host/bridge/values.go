package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"

	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/v8"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Values are stored as workerd stores them, in V8's format; to the guest they are in its own codec.

// maxScratch bounds the memory that is kept for the next value, in bytes.
const maxScratch = 1 << 20

// store writes a value of the guest's.
func (s *scope) store(key string, x []byte) error {
	stored, err := v8.Encode(s.b.scratch[:0], x)
	if err != nil {
		return cloneError(err)
	}
	if cap(stored) <= maxScratch {
		s.b.scratch = stored
	}
	return s.object.Database().Put(key, stored)
}

// cloneError is what a script would see of a value that cannot be stored.
func cloneError(err error) error {
	var e *v8.CloneError
	switch {
	case errors.As(err, &e):
		return &durable.Error{Name: "DataCloneError", Message: e.Message}
	case errors.Is(err, v8.ErrDepth):
		return &durable.Error{Name: "RangeError", Message: err.Error()}
	}
	return fmt.Errorf("durago: the guest's value: %w", err)
}

// appendStored appends a stored value in the guest's codec.
func appendStored(dst []byte, key string, stored []byte) ([]byte, error) {
	dst, err := v8.Decode(dst, stored)
	if err != nil {
		return dst, fmt.Errorf("storage: the value of %q: %w", key, err)
	}
	return dst, nil
}

// get answers whether a key has a value, and the value. undefined is none, as in JavaScript.
func (s *scope) get(dst []byte, key string) ([]byte, error) {
	stored, ok, err := s.object.Database().Get(key)
	if err != nil || !ok {
		return abi.AppendBool(dst, false), err
	}
	head := len(dst)
	dst, err = appendStored(abi.AppendBool(dst, true), key, stored)
	if err == nil && dst[head+1] == value.TagUndefined {
		dst = abi.AppendBool(dst[:head], false)
	}
	return dst, err
}

func appendEntries(b []byte, entries []storage.Entry) ([]byte, error) {
	b = abi.AppendU32(b, uint32(len(entries)))
	for _, e := range entries {
		b = abi.AppendStr(b, e.Key)
		head := len(b)
		var err error
		if b, err = appendStored(abi.AppendU32(b, 0), e.Key, e.Value); err != nil {
			return b, err
		}
		binary.LittleEndian.PutUint32(b[head:], uint32(len(b)-head-4))
	}
	return b, nil
}

// isUndefined tells whether a value of the guest's is undefined.
func isUndefined(x []byte) bool { return len(x) == 1 && x[0] == value.TagUndefined }

// storedSize is how many bytes V8 writes for a value of the guest's, or a smaller number below least: V8 needs at most
// five bytes for one of ours, and most values are short.
func storedSize(x []byte, least int) (int, error) {
	if 5*len(x)+16 <= least {
		return len(x), nil
	}
	stored, err := v8.Encode(nil, x)
	return len(stored), err
}
