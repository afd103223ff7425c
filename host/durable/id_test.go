package durable_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
)

// The vectors are workerd's.
func TestNamespace_ids(t *testing.T) {
	for _, v := range [][3]string{
		{"mykey", "http://foo/", "59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af234"},
		{"my-worker-Counter", "A", "907af8d0b17993a0fdcdd3b3468db6c1792f8547f29cfb0d5b23e3d5b844e372"},
		{"wa-C", "n1", "6a34875d5dde0482ead51439f353c1d391d9df925b2c1953fb2c5b98d629b4f7"},
		{"mykey", "http://foo/bar", "02b496f65dd35cbac90e3e72dc5a398ee93926ea4a3821e26677082d2e6f9b79"},
		{"210bd0cbd803ef7883a1ee9d86cce06e", "A", "72b293da32e4965946ee397246e0fe3b88256c8bdd84ce6f1b7f32d8c3c84428"},
		{"durable-object-counter-Counter", "A", "e9bba4c75a1982653a19b39d3ac69eefeaba05f2f00fe2c64b3bb68a133a90dd"},
	} {
		n := &durable.Namespace{UniqueKey: v[0]}
		require.Equal(t, v[2], n.IDFromName(v[1]))
		id, err := n.ParseID(v[2])
		require.NoError(t, err)
		require.Equal(t, v[2], id)
	}
	n := &durable.Namespace{UniqueKey: "a"}
	id := n.NewUniqueID()
	_, err := n.ParseID(id)
	require.NoError(t, err)
	_, err = (&durable.Namespace{UniqueKey: "b"}).ParseID(id)
	require.EqualError(t, err, "TypeError: Durable Object ID is not valid for this namespace.")
	_, err = n.ParseID("xyz")
	require.EqualError(t, err, "TypeError: Invalid Durable Object ID: must be 64 hex digits")
}

// TestNamespace_IDFromName: what is remembered of names is theirs, from any goroutine, however many there are and however long.
func TestNamespace_IDFromName(t *testing.T) {
	n := &durable.Namespace{UniqueKey: "k"}
	names := []string{"", strings.Repeat("n", 1025)}
	for i := range 5000 {
		names = append(names, fmt.Sprint("n", i))
	}
	want := map[string]string{}
	for _, name := range names {
		want[name] = (&durable.Namespace{UniqueKey: "k"}).IDFromName(name)
	}
	seen := map[string]bool{}
	for _, id := range want {
		seen[id] = true
	}
	require.Len(t, seen, len(names))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2 {
				for _, name := range names {
					if got := n.IDFromName(name); got != want[name] {
						t.Errorf("%q has the id %s, not %s", name, got, want[name])
					}
				}
			}
		})
	}
	wg.Wait()
}
