package host_test

import (
	"encoding/json"
	"math"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/v8"
	"durago.example/wasm/value"
)

var oneClass = host.Options{Classes: []host.Class{{Name: "Room", UniqueKey: "demo-Room"}}, Bindings: map[string]host.Binding{"ROOM": {Class: "Room"}}}

// stored makes a directory in which the object a has stored these bytes.
func stored(t *testing.T, entries map[string][]byte) *host.Data {
	o := oneClass
	o.Dir = filepath.Join(t.TempDir(), "state")
	s, err := storage.Open(storage.Options{Dir: o.Dir})
	require.NoError(t, err)
	d := s.Database("demo-Room", (&durable.Namespace{UniqueKey: "demo-Room"}).IDFromName("a"))
	for key, v := range entries {
		require.NoError(t, d.Put(key, v))
	}
	committed := make(chan error, 1)
	_, err = d.Commit(func(err error) { committed <- err })
	require.NoError(t, err)
	require.NoError(t, <-committed)
	require.NoError(t, d.Close())
	require.NoError(t, s.Close())
	data, err := host.OpenData(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, data.Close()) })
	return data
}

func encoded(t *testing.T, v any) []byte {
	b, err := value.Marshal(nil, v)
	require.NoError(t, err)
	b, err = v8.Encode(nil, b)
	require.NoError(t, err)
	return b
}

// TestOperator_Value: what JSON has comes as it is, and what it has not is said.
func TestOperator_Value(t *testing.T) {
	cases := map[string]struct {
		v       any
		json    string
		inexact []string
	}{
		"null":     {nil, `null`, nil},
		"plain":    {map[string]any{"a": []any{1.0, 2.5, true, "ü\x00"}}, `{"a":[1,2.5,true,"ü\u0000"]}`, nil},
		"nan":      {math.NaN(), `"NaN"`, []string{"$: NaN, as a string"}},
		"infinity": {[]any{math.Inf(1), math.Inf(-1)}, `["Infinity","-Infinity"]`, []string{"$[0]: Infinity, as a string", "$[1]: -Infinity, as a string"}},
		"bytes":    {[]byte{0, 255}, `"AP8="`, []string{"$: bytes, as base64"}},
		"date":     {map[string]any{"at": time.UnixMilli(1)}, `{"at":"1970-01-01T00:00:00.001Z"}`, []string{"$.at: a Date, as a string"}},
		"no date":  {time.Time{}, `"Invalid Date"`, []string{"$: a Date, as a string"}},
		"bigint":   {new(big.Int).Lsh(big.NewInt(1), 80), `"1208925819614629174706176"`, []string{"$: a BigInt, as a string"}},
		"regexp":   {value.RegExp{Source: "a.b", Flags: "g"}, `"/a.b/g"`, []string{"$: a RegExp, as a string"}},
		"map":      {value.Map{{Key: 1.0, Value: []byte{1}}}, `[[1,"AQ=="]]`, []string{"$: a Map, as an array of pairs", "$[0][1]: bytes, as base64"}},
		"set":      {value.Set{"a", 1.0}, `["a",1]`, []string{"$: a Set, as an array"}},
		"sparse":   {value.Sparse{Length: 1 << 31, Items: map[uint32]any{7: "x"}}, `{"7":"x"}`, []string{"$: an array of 2147483648 with holes, as an object"}},
		"error":    {&value.Error{Name: "TypeError", Message: "no", Props: map[string]any{"code": 4.0}}, `{"code":4,"message":"no","name":"TypeError"}`, []string{"$: an Error, as an object"}},
	}
	entries := map[string][]byte{}
	for key, c := range cases {
		entries[key] = encoded(t, c.v)
	}
	many := make([]any, 100)
	for i := range many {
		many[i] = []byte{}
	}
	entries["many"] = encoded(t, many)
	data := stored(t, entries)
	for key, c := range cases {
		v, err := data.Value(t.Context(), "ROOM", "a", key)
		require.NoError(t, err, key)
		require.Equal(t, c.json, string(v.JSON), key)
		require.Equal(t, c.inexact, v.Inexact, key)
	}
	v, err := data.Value(t.Context(), "ROOM", "a", "many")
	require.NoError(t, err)
	require.Len(t, v.Inexact, 16, "bounded")
	_, err = data.Value(t.Context(), "ROOM", "a", "none")
	require.ErrorIs(t, err, host.ErrNoKey)
	_, err = data.Value(t.Context(), "ROOM", "a", "\xff")
	require.ErrorContains(t, err, "is not UTF-8")
	_, err = data.Value(t.Context(), "ROOM", "a", strings.Repeat("k", 2049))
	require.ErrorContains(t, err, "must have at most 2048")
}

// TestOperator_PutValue: JSON comes back as it went, whatever it holds.
func TestOperator_PutValue(t *testing.T) {
	data := stored(t, map[string][]byte{"k": encoded(t, 1.0)})
	for _, text := range []string{
		`null`, `true`, `0`, `-1.5e-300`, `9007199254740991`, `"\u0000\ud83d\ude00"`, `[]`, `{}`, `[[[{"a":{"b":[1,{}]}}]]]`, `{"":0,"10":1,"2":2}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		require.NoError(t, data.PutValue(t.Context(), "ROOM", "a", "k", []byte(text)), text)
		v, err := data.Value(t.Context(), "ROOM", "a", "k")
		require.NoError(t, err)
		require.JSONEq(t, text, string(v.JSON))
		require.Empty(t, v.Inexact)
	}
	for text, want := range map[string]string{
		``: "not JSON", `{`: "not JSON", `1 2`: "more than one value", `undefined`: "not JSON", `NaN`: "not JSON",
		`{"a":[9007199254740993]}`: "more than 53 bits", `-99999999999999999999`: "more than 53 bits", `1e400`: "beyond what a number can be",
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000): "cannot be stored",
	} {
		require.ErrorContains(t, data.PutValue(t.Context(), "ROOM", "a", "k", []byte(text)), want)
	}
	big, err := json.Marshal(strings.Repeat("x", 3<<20))
	require.NoError(t, err)
	require.NoError(t, data.PutValue(t.Context(), "ROOM", "a", "k", big))
	tooBig, err := json.Marshal(strings.Repeat("x", 9<<20))
	require.NoError(t, err)
	require.ErrorContains(t, data.PutValue(t.Context(), "ROOM", "a", "k", tooBig), "SQLITE_TOOBIG")
	v, err := data.Value(t.Context(), "ROOM", "a", "k")
	require.NoError(t, err)
	require.Equal(t, string(big), string(v.JSON), "what there was before")
}

// TestOperator_Values: pages of keys in their order, and a value that cannot be read ends them by name.
func TestOperator_Values(t *testing.T) {
	entries := map[string][]byte{}
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		for _, n := range []string{"1", "2"} {
			entries[string(c)+n] = encoded(t, string(c))
		}
	}
	entries["zz"] = []byte{0xff, 0x0f, 0x00, 0x01}
	data := stored(t, entries)
	keys := func(o host.ListOptions) (keys []string, err error) {
		for v, err := range data.Values(t.Context(), "Room", "a", o) {
			if err != nil {
				return keys, err
			}
			keys = append(keys, v.Key)
		}
		return keys, nil
	}
	all, err := keys(host.ListOptions{})
	require.ErrorContains(t, err, `the value of "zz" cannot be given as JSON`)
	require.Len(t, all, 52)
	require.IsIncreasing(t, all)
	all, err = keys(host.ListOptions{KeysOnly: true})
	require.NoError(t, err)
	require.Len(t, all, 53)
	for limit := range 40 {
		some, err := keys(host.ListOptions{KeysOnly: true, Limit: limit + 1})
		require.NoError(t, err)
		require.Equal(t, all[:limit+1], some)
	}
	b, d, c := "b", "d", "c"
	some, err := keys(host.ListOptions{Start: &b, End: &d})
	require.NoError(t, err)
	require.Equal(t, []string{"b1", "b2", "c1", "c2"}, some)
	some, err = keys(host.ListOptions{Prefix: &c})
	require.NoError(t, err)
	require.Equal(t, []string{"c1", "c2"}, some)
	_, err = keys(host.ListOptions{Limit: -1})
	require.ErrorContains(t, err, "the limit is -1")
}
