package value_test

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/wasm/value"
)

// table is Links that number what they are given.
type table struct{ all []any }

func (l *table) Link(v any) (value.Handle, error) {
	if _, ok := v.(refused); ok {
		return value.Handle{}, errors.New("refused")
	}
	l.all = append(l.all, v)
	return value.Handle{Kind: 1, ID: uint32(len(l.all) - 1)}, nil
}

func (l *table) Follow(h value.Handle, v reflect.Value) error {
	x := reflect.ValueOf(l.all[h.ID])
	if !x.Type().AssignableTo(v.Type()) {
		return errors.New("cannot be " + v.Type().String())
	}
	v.Set(x)
	return nil
}

type refused struct{ io.Reader }

// thing is a Linked.
type thing struct{}

func (*thing) Describe() string { return "Thing" }

type parcel struct {
	Name string
	Body io.Reader
	List []*thing
	None *thing
}

func values(all ...any) (list []reflect.Value) {
	for _, v := range all {
		list = append(list, reflect.ValueOf(v))
	}
	return list
}

func TestAppendLinked(t *testing.T) {
	l := &table{}
	body := strings.NewReader("x")
	in := parcel{"n", body, []*thing{{}, {}}, nil}
	b, err := value.AppendLinked(values(in, 5), true, l)
	require.NoError(t, err)
	places, rest, err := value.CutLinks(b)
	require.NoError(t, err)
	require.Len(t, places, 3)
	for i, p := range places {
		require.Equal(t, value.Handle{Kind: 1, ID: uint32(i)}, value.HandleAt(rest, p))
	}

	t.Run("comes back", func(t *testing.T) {
		n, rest, err := value.ReadArray(rest)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		var out parcel
		_, err = value.ReadLinked(rest, &out, l)
		require.NoError(t, err)
		require.Equal(t, in, out)
	})
	t.Run("takes other handles", func(t *testing.T) {
		value.SetHandle(rest, places[1], value.Handle{Kind: 9, ID: 1 << 30})
		require.Equal(t, value.Handle{Kind: 9, ID: 1 << 30}, value.HandleAt(rest, places[1]))
	})
	t.Run("gives back what it has made before an error", func(t *testing.T) {
		b, err := value.AppendLinked(values(body, []io.Reader{refused{}}), true, l)
		require.EqualError(t, err, "argument 2: refused")
		places, _, err := value.CutLinks(b)
		require.NoError(t, err)
		require.Len(t, places, 1)
	})
}

// TestAppendReflect_links: where nothing but data may be, what is none is an error and not an empty object.
func TestAppendReflect_links(t *testing.T) {
	for _, v := range []any{strings.NewReader("x"), &thing{}, parcel{Body: strings.NewReader("x")}, []any{&thing{}}, map[string]any{"a": strings.NewReader("x")}} {
		_, err := value.AppendReflect(nil, reflect.ValueOf(v))
		require.ErrorIs(t, err, value.ErrLink)
		_, err = value.Marshal(nil, v)
		require.ErrorIs(t, err, value.ErrLink)
	}
	b, err := value.Marshal(nil, parcel{})
	require.NoError(t, err, "nothing is lent that is nil")
	var out parcel
	require.NoError(t, value.Unmarshal(b, &out))
}

func TestReadLinked_errors(t *testing.T) {
	l := &table{all: []any{strings.NewReader("x")}}
	var s struct{ Body *thing }
	_, err := value.ReadLinked([]byte("O\x01\x04bodyH\x01\x00\x00\x00\x00"), &s, l)
	require.EqualError(t, err, "body: cannot be *value_test.thing")
	var r io.Reader
	_, err = value.ReadLinked([]byte("T"), &r, l)
	require.EqualError(t, err, "cannot read a boolean into io.Reader")
	_, err = value.ReadLinked([]byte("H\x01\x00"), &r, l)
	require.ErrorIs(t, err, value.ErrMalformed)
	for _, b := range []string{"L", "L\x01", "L\x01\x00\x00\x00\x00", "L\x01\x00\x00\x00\x00H\x01\x00\x00\x00", "L\x01\xff\xff\xff\xffH\x01\x00\x00\x00\x00", "L\xff\xff\xff\xff\x0fT"} {
		_, _, err := value.CutLinks([]byte(b))
		require.ErrorIs(t, err, value.ErrMalformed, "%q", b)
	}
}

// FuzzCutLinks: whatever a guest sends, every place is one of a handle, and a handle put there is read there.
func FuzzCutLinks(f *testing.F) {
	f.Add([]byte("L\x01\x02\x00\x00\x00A\x01H\x01\x07\x00\x00\x00"))
	f.Add([]byte("L\x02\x00\x00\x00\x00\x00\x00\x00\x00H\x01\x07\x00\x00\x00"))
	f.Add([]byte("T"))
	f.Fuzz(func(t *testing.T, b []byte) {
		places, rest, err := value.CutLinks(b)
		if err != nil {
			return
		}
		for i, p := range places {
			h := value.Handle{Kind: byte(i), ID: uint32(i)}
			value.SetHandle(rest, p, h)
			require.Equal(t, h, value.HandleAt(rest, p))
		}
		var v any
		_, _ = value.ReadLinked(rest, &v, &everything{})
	})
}

// everything follows any handle.
type everything struct{ table }

func (*everything) Follow(value.Handle, reflect.Value) error { return nil }
