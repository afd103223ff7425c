package hosttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
	"durago.example/host/storage"
)

func TestStorage(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("POST", "/count/a", "")
		h.Fetch("POST", "/count/a", "")
		h.Fetch("GET", "/kv/a", "")
		for _, mode := range []string{"", "fail"} {
			h.Fetch("POST", "/transaction/a?mode="+mode, "")
			h.Fetch("POST", "/transaction/a?async&mode="+mode, "")
		}
		h.Fetch("POST", "/block/a?ms=5", "")
		require.NoError(t, h.Object("HOME", "a").Evict())
		h.Fetch("GET", "/n/a", "")
		h = h.Restart()
		_, n := h.Fetch("POST", "/count/a", "")
		require.Equal(t, "7", n)
	})
}

// TestStorage_values: values of every kind, and the limits, are the platform's.
func TestStorage_values(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("POST", "/keep/a", "")
		h.Fetch("GET", "/kept/a", "")
		h.Fetch("POST", "/undefined/a", "")
		h.Fetch("POST", "/large/a?n=8388627", "")
		h.Fetch("POST", "/large/a?n=8388628", "")
		c := h.Dial("/ws/a")
		h.Record("%s", say(t, c, "attach 16379"))
		h.Record("%s", say(t, c, "attach 16380"))
	})
}

// TestStorage_unreadable: of what only JavaScript has, the error says what it is and under which key.
func TestStorage_unreadable(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	ns, ok := h.Namespace("HOME")
	require.True(t, ok)
	h.Stop()
	c, err := wrangler.Load("../../testdata/guests/scenario/wrangler.toml")
	require.NoError(t, err)
	s, err := storage.Open(storage.Options{Dir: h.Dir, NoSync: true})
	require.NoError(t, err)
	d := s.Database(c.Classes()[0].UniqueKey, ns.IDFromName("a"))
	require.NoError(t, d.Put("kept/blob", []byte("\xff\x0f\\\x0f\x06text/x\x02hi"))) // as workerd writes it
	_, err = d.Commit(func(error) {})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, s.Close())
	status, text := h.Restart().Fetch("GET", "/kept/a", "")
	require.Equal(t, 500, status)
	require.Contains(t, text, `the value of "kept/blob": the value holds a Blob, which Go has no type for: read it in a JavaScript class`)
}

func TestStorage_harness(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	h.Fetch("POST", "/count/a", "")
	h.Fetch("POST", "/count/a", "")
	rows, err := h.Object("HOME", "a").SQL(`SELECT id, n FROM c`)
	require.NoError(t, err)
	require.Equal(t, []string{"1|2"}, rows)
}
