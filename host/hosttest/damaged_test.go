package hosttest_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/storage"
)

// TestDamaged: an object whose file is not what it was says so, and is the only one. What is written in place of the file
// is not made worse.
func TestDamaged(t *testing.T) {
	t.Parallel()
	change := func(f func(b []byte) []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, f(b), 0o644))
		}
	}
	for name, row := range map[string]struct {
		damage func(t *testing.T, file string)
		text   string // of the error; empty if the object does not suffer
	}{
		"a text file":       {change(func([]byte) []byte { return bytes.Repeat([]byte("mine\n"), 2000) }), "file is not a database"},
		"a short file":      {change(func([]byte) []byte { return []byte("mine") }), ""}, // as power loss leaves a creation
		"noise":             {change(func(b []byte) []byte { return noise(len(b)) }), "file is not a database"},
		"cut in the middle": {change(func(b []byte) []byte { return b[:len(b)/2/4096*4096] }), "database disk image is malformed"},
		"noise after the head": {change(func(b []byte) []byte { return append(b[:100:100], noise(len(b)-100)...) }),
			"database disk image is malformed"},
		"noise on the other pages": {change(func(b []byte) []byte { return append(b[:4096:4096], noise(len(b)-4096)...) }),
			"database disk image is malformed"},
		"a format to come": {change(func(b []byte) []byte { b[18], b[19] = 9, 9; return b }), "file is not a database"},
		"pages of no size": {change(func(b []byte) []byte { b[16], b[17] = 3, 3; return b }), "file is not a database"},
		"a directory": {func(t *testing.T, file string) {
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Mkdir(file, 0o755))
		}, "is a directory"},
		"another's database": {func(t *testing.T, file string) {
			require.NoError(t, os.Rename(filepath.Join(filepath.Dir(file), "metadata.sqlite"), file))
		}, ""},
		"a log of noise":      {func(t *testing.T, file string) { require.NoError(t, os.WriteFile(file+"-wal", noise(50_000), 0o644)) }, ""},
		"a directory for log": {func(t *testing.T, file string) { require.NoError(t, os.Mkdir(file+"-wal", 0o755)) }, "unable to open database file"},
		"a journal of noise": {func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file+"-journal", noise(50_000), 0o644))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := scenario(t)
			for _, object := range []string{"a", "b"} {
				fillObject(t, h, object)
			}
			ns, _ := h.Namespace("HOME")
			file := filepath.Join(h.Dir, ns.UniqueKey, ns.IDFromName("a")+".sqlite")
			h.Stop()
			row.damage(t, file)
			h = hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", Dir: h.Dir})
			for range 2 {
				status, text := h.Fetch("POST", "/count/a", "")
				if row.text == "" {
					require.Equal(t, 200, status, text)
				} else {
					require.GreaterOrEqual(t, status, 500)
					require.Contains(t, text, row.text)
				}
				_, n := h.Fetch("GET", "/n/b", "")
				require.Equal(t, "1", n)
			}
			h.Fetch("POST", "/count/b", "")
			h = h.Restart()
			_, n := h.Fetch("GET", "/n/b", "")
			require.Equal(t, "2", n)
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// fillObject writes more than one page.
func fillObject(t *testing.T, h *hosttest.Host, name string) {
	t.Helper()
	answer(t, h, "POST", "/keep/"+name, "")
	answer(t, h, "POST", "/remember/"+name, strings.Repeat("x", 20_000))
	answer(t, h, "POST", "/count/"+name, "")
	answer(t, h, "POST", "/alarm/"+name+"?ms=3600000", "")
}

// TestDamaged_values: stored values whose bytes were changed are read, or refused one by one.
func TestDamaged_values(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	fillObject(t, h, "a")
	ns, _ := h.Namespace("HOME")
	s := func(f func(d *storage.Database)) {
		h.Stop()
		store, err := storage.Open(storage.Options{Dir: h.Dir, NoSync: true})
		require.NoError(t, err)
		d := store.Database(ns.UniqueKey, ns.IDFromName("a"))
		f(d)
		_, err = d.Commit(func(error) {})
		require.NoError(t, err)
		require.NoError(t, d.Close())
		require.NoError(t, store.Close())
		h = h.Restart()
	}
	rng := rand.New(rand.NewPCG(1, 3))
	refused := 0
	for range 5 {
		s(func(d *storage.Database) {
			rows, err := d.List(storage.ListOptions{})
			require.NoError(t, err)
			require.NotEmpty(t, rows)
			for _, r := range rows {
				b := bytes.Clone(r.Value)
				for range 1 + rng.IntN(3) {
					b[rng.IntN(min(len(b), 64))] = byte(rng.Uint32())
				}
				if rng.IntN(4) == 0 {
					b = b[:rng.IntN(len(b))]
				}
				require.NoError(t, d.Put(r.Key, b))
			}
		})
		status, text := h.Fetch("GET", "/kept/a", "")
		require.Contains(t, []int{200, 500}, status, text)
		if status != 200 {
			require.Contains(t, text, "the value of ")
			refused++
		}
		_, n := h.Fetch("GET", "/n/a", "")
		require.Equal(t, "1", n)
		s(func(d *storage.Database) {
			rows, err := d.List(storage.ListOptions{})
			require.NoError(t, err)
			for _, r := range rows {
				_, err := d.Delete(r.Key)
				require.NoError(t, err)
			}
		})
		answer(t, h, "POST", "/keep/a", "")
	}
	require.NotZero(t, refused)
}
