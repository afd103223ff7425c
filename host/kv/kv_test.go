package kv_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/clock"
	"durago.example/host/kv"
	"durago.example/host/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) (*kv.Store, *clock.Virtual) {
	t.Helper()
	s, err := storage.Open(storage.Options{Dir: filepath.Join(t.TempDir(), "state"), NoSync: true})
	require.NoError(t, err)
	c := clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	k := kv.New(s.Private("kv", "namespaces"), c)
	t.Cleanup(func() {
		require.NoError(t, k.Close())
		require.NoError(t, s.Close())
	})
	return k, c
}

func TestNamespace_Put(t *testing.T) {
	k, _ := open(t)
	n := k.Namespace("a")
	_, ok, err := n.Get("key")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, n.Put("key", []byte("one"), 0))
	require.NoError(t, n.Put("key", []byte{}, 0))
	v, ok, err := n.Get("key")
	require.NoError(t, err)
	require.True(t, ok)
	require.Empty(t, v, "an empty value is a value")
	_, ok, err = k.Namespace("b").Get("key")
	require.NoError(t, err)
	require.False(t, ok, "namespaces are apart")
	require.NoError(t, n.Delete("key"))
	require.NoError(t, n.Delete("key"))
	_, ok, err = n.Get("key")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestNamespace_Put_limits(t *testing.T) {
	k, _ := open(t)
	n := k.Namespace("a")
	for _, row := range []struct {
		name, key string
		value     []byte
		ttl       time.Duration
		err       string
	}{
		{"an empty key", "", nil, 0, "Key name cannot be empty."},
		{"a dot", ".", nil, 0, `"." is not allowed as a key name.`},
		{"two dots", "..", nil, 0, `".." is not allowed as a key name.`},
		{"the longest key", strings.Repeat("é", 256), nil, 0, ""},
		{"one byte more", strings.Repeat("é", 256) + "x", nil, 0, "UTF-8 encoded length of 513 exceeds key length limit of 512."},
		{"a value that is too large", "k", make([]byte, kv.MaxValue+1), 0, "Value length of 26214401 exceeds limit of 26214400."},
		{"the shortest expiry", "k", nil, time.Minute, ""},
		{"one second less", "k", nil, 59 * time.Second, "Invalid expiration_ttl of 59. Expiration TTL must be at least 60."},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := n.Put(row.key, row.value, row.ttl)
			if row.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, row.err)
		})
	}
	t.Run("the largest value", func(t *testing.T) {
		require.NoError(t, n.Put("large", make([]byte, kv.MaxValue), 0))
		v, ok, err := n.Get("large")
		require.NoError(t, err)
		require.True(t, ok)
		require.Len(t, v, kv.MaxValue)
	})
}

func TestNamespace_expiry(t *testing.T) {
	k, c := open(t)
	n := k.Namespace("a")
	require.NoError(t, n.Put("brief", []byte("v"), time.Minute))
	require.NoError(t, n.Put("long", []byte("v"), 0))
	keys := func() []string {
		keys, _, err := n.List("", "", 0)
		require.NoError(t, err)
		return keys
	}
	c.Step(c.Now().Add(time.Minute - time.Millisecond))
	require.Equal(t, []string{"brief", "long"}, keys())
	c.Step(c.Now().Add(time.Millisecond))
	_, ok, err := n.Get("brief")
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, []string{"long"}, keys())
	require.NoError(t, n.Put("brief", []byte("v"), 0))
	c.Step(c.Now().Add(1000 * time.Hour))
	require.Equal(t, []string{"brief", "long"}, keys(), "a new value has its own expiry")
}

func TestNamespace_List(t *testing.T) {
	k, c := open(t)
	n := k.Namespace("a")
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("p%02d", i)
		ttl := time.Duration(0)
		if i%5 == 0 {
			ttl = time.Minute // gone when we list
		} else {
			want = append(want, key)
		}
		require.NoError(t, n.Put(key, []byte("v"), ttl))
	}
	require.NoError(t, n.Put("q", []byte("v"), 0))
	require.NoError(t, k.Namespace("aa").Put("p99", []byte("v"), 0))
	c.Step(c.Now().Add(time.Hour))
	for _, limit := range []int{1, 3, 20, 1000} {
		var got []string
		pages := 0
		for cursor := ""; ; {
			keys, next, err := n.List("p", cursor, limit)
			require.NoError(t, err)
			require.LessOrEqual(t, len(keys), limit)
			got = append(got, keys...)
			pages++
			if cursor = next; cursor == "" {
				break
			}
		}
		require.Equal(t, want, got, "limit %d", limit)
		require.Equal(t, (len(want)+limit-1)/limit, pages, "limit %d: a page is full unless it is the last", limit)
	}
}
