package storage_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"durago.example/host/storage"
)

// TestDatabase_List compares with a sorted slice: keys are in the order of their UTF-8 bytes, which is not that of
// JavaScript's strings.
func TestDatabase_List(t *testing.T) {
	d := newDatabase(t)
	key := rapid.StringOfN(rapid.SampledFrom([]rune("ab\u00ff\u07ff\uffff\U00010000\U0010ffff")), 0, 3, -1)
	bound := rapid.Ptr(key, true)
	rapid.Check(t, func(r *rapid.T) {
		model := map[string]string{}
		for range rapid.IntRange(0, 30).Draw(r, "operations") {
			k := key.Draw(r, "key")
			if rapid.IntRange(0, 3).Draw(r, "delete") == 0 {
				was, err := d.Delete(k)
				require.NoError(r, err)
				_, ok := model[k]
				require.Equal(r, ok, was)
				delete(model, k)
				continue
			}
			v := rapid.StringN(0, 3, -1).Draw(r, "value")
			require.NoError(r, d.Put(k, []byte(v)))
			model[k] = v
		}
		for range 5 {
			o := storage.ListOptions{Prefix: bound.Draw(r, "prefix"), Start: bound.Draw(r, "start"), StartAfter: bound.Draw(r, "startAfter"),
				End: bound.Draw(r, "end"), Limit: rapid.IntRange(0, 5).Draw(r, "limit"), Reverse: rapid.Bool().Draw(r, "reverse")}
			got, err := d.List(o)
			require.NoError(r, err)
			require.Equal(r, expect(model, o), got)
		}
		for k, v := range model {
			got, ok, err := d.Get(k)
			require.NoError(r, err)
			require.True(r, ok)
			require.Equal(r, []byte(v), got)
		}
		require.NoError(r, d.Rollback())
	})
}

func expect(model map[string]string, o storage.ListOptions) (out []storage.Entry) {
	var keys []string
	for k := range model {
		if (o.Prefix == nil || strings.HasPrefix(k, *o.Prefix)) && (o.Start == nil || k >= *o.Start) &&
			(o.StartAfter == nil || k > *o.StartAfter) && (o.End == nil || k < *o.End) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if o.Reverse {
		slices.Reverse(keys)
	}
	if o.Limit > 0 && len(keys) > o.Limit {
		keys = keys[:o.Limit]
	}
	for _, k := range keys {
		out = append(out, storage.Entry{Key: k, Value: []byte(model[k])})
	}
	return out
}
