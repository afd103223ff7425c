package abi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/wasm/abi"
)

// FuzzReader reads any bytes as any fields: no panic, no more than there is, and nothing but zeroes after an error.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x01\x05\x00\x00\x00hello\x02\x00"), []byte{0, 4, 1})
	f.Add([]byte("\xff\xff\xff\xff"), []byte{4, 5, 6})
	f.Add([]byte{}, []byte{3, 2, 1, 0})
	f.Fuzz(func(t *testing.T, frame, fields []byte) {
		r := abi.NewReader(frame)
		read := 0
		for _, field := range fields {
			before, failed := r.Len(), r.Err() != nil
			zero := true
			switch field % 8 {
			case 0:
				zero = r.U8() == 0
			case 1:
				zero = r.U16() == 0
			case 2:
				zero = r.U32() == 0
			case 3:
				zero = r.F64() == 0
			case 4:
				b := r.Bytes()
				require.LessOrEqual(t, len(b), len(frame))
				zero = len(b) == 0
			case 5:
				zero = r.Str() == ""
			case 6:
				n := r.Count(int(field / 8))
				require.LessOrEqual(t, n*max(int(field/8), 1), len(frame))
				zero = n == 0
			case 7:
				zero = len(r.Rest()) == 0
			}
			if failed {
				require.True(t, zero)
				require.ErrorIs(t, r.Err(), abi.ErrFrame)
			}
			require.LessOrEqual(t, r.Len(), before)
			read += before - r.Len()
		}
		require.LessOrEqual(t, read, len(frame))
	})
}

// FuzzReadError: an Error frame that can be read is written as it was.
func FuzzReadError(f *testing.F) {
	f.Add((&abi.Error{Flags: abi.ErrorRemote | abi.ErrorReset, Name: "TypeError", Message: "no", ObjectID: "00", Stack: "at", Props: []byte{1}}).Append(nil))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, frame []byte) {
		e, err := abi.ReadError(frame)
		if err != nil {
			require.ErrorIs(t, err, abi.ErrFrame)
			return
		}
		require.Equal(t, frame, e.Append(nil))
	})
}
