package storage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/journal"
)

// counting counts the syncs of everything.
type counting struct {
	journal.Machine
	all int
}

func (d *counting) SyncAll(string) error { d.all++; return nil }

// TestOpen_recovers holds what is done with what another process has left: whatever may be in the page cache alone is made
// durable before anybody reads it.
func TestOpen_recovers(t *testing.T) {
	ways := map[string]storage.Options{"one journal": {}, "a sync of each log": {SyncLogs: true}, "no sync": {NoSync: true}}
	for left, o := range ways {
		for begun, o2 := range ways {
			t.Run(left+", then "+begun, func(t *testing.T) {
				o.Dir, o2.Dir = filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "state")
				s, err := storage.Open(o)
				require.NoError(t, err)
				w := writer{t, s, o.Dir}
				a := w.database(1)
				require.NoError(t, w.put(a, "k", 100))
				require.NoError(t, os.CopyFS(o2.Dir, os.DirFS(o.Dir))) // as if the process had been killed here
				require.NoError(t, a.Close())
				require.NoError(t, s.Close())
				for _, dir := range []string{o.Dir, o2.Dir} {
					d := &counting{}
					o2.Dir, o2.Disk = dir, d
					w.s, err = storage.Open(o2)
					require.NoError(t, err)
					killed, synced := dir != o.Dir, !o.NoSync
					switch {
					case o2.NoSync && !(killed && left == "one journal"):
						require.Zero(t, d.all)
					case killed || !synced:
						require.NotZero(t, d.all)
					default:
						require.Zero(t, d.all, "a store that was closed is durable")
					}
					if begun != "one journal" {
						require.NoDirExists(t, filepath.Join(dir, journal.Directory))
					}
					a, b := w.database(1), w.database(2)
					require.True(t, w.has(a, "k"))
					require.NoError(t, w.put(b, "k", 1))
					require.NoError(t, a.Close())
					require.NoError(t, b.Close())
					require.NoError(t, w.s.Close())
				}
			})
		}
	}
}

// TestOpen_keepsTraces: a log that an object was left with stays until its database is retired, however often the directory
// is opened: it tells that an alarm may be missing in the scheduler's table.
func TestOpen_keepsTraces(t *testing.T) {
	left := filepath.Join(t.TempDir(), "state")
	w := newWriter(t, storage.Options{})
	a := w.database(1)
	require.NoError(t, w.put(a, "k", 100))
	require.NoError(t, os.CopyFS(left, os.DirFS(w.dir)))
	require.NoError(t, a.Close())
	require.NoError(t, w.s.Close())
	for range 2 {
		w = newWriter(t, storage.Options{Dir: left})
		ids, err := w.s.Interrupted("key")
		require.NoError(t, err)
		require.Equal(t, []string{fmt.Sprintf("%064d", 1)}, ids)
		require.NoError(t, w.s.Close())
	}
	w = newWriter(t, storage.Options{Dir: left})
	a = w.database(1)
	require.True(t, w.has(a, "k"))
	require.NoError(t, a.Retire())
	require.NoError(t, w.s.Close())
	w = newWriter(t, storage.Options{Dir: left})
	ids, err := w.s.Interrupted("key")
	require.NoError(t, err)
	require.Empty(t, ids)
	require.NoError(t, w.s.Close())
}
