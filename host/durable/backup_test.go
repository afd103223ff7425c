package durable_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

// ended is what became of a backup or a restore.
type ended struct {
	done bool
	err  error
}

func (e *engine) backup(ctx context.Context, name, file string) *ended {
	r := &ended{}
	e.visit(name, func(o *durable.Object) { o.Backup(ctx, file, func(err error) { r.done, r.err = true, err }) })
	return r
}

func (e *engine) restore(name, file string) *ended {
	b, err := storage.CheckBackup(file)
	require.NoError(e.t, err)
	r := &ended{}
	require.NoError(e.t, e.ns.Restore(e.ns.IDFromName(name), &name, b, func(err error) { r.done, r.err = true, err }))
	e.settle()
	return r
}

func TestObject_Backup(t *testing.T) {
	t.Run("an object in memory, and one that is not", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		for _, file := range []string{"started", "evicted"} {
			file = filepath.Join(t.TempDir(), file)
			require.Equal(t, &ended{done: true}, e.backup(t.Context(), "a", file))
			require.FileExists(t, file)
			e.visit("a", func(o *durable.Object) { require.NoError(t, o.Evict()) })
		}
		e.settle()
		require.Zero(t, e.store.OpenDatabases(), "and it is not left open")
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("an object that has stored nothing", bubble(func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		e := newEngine(t, options{storage: storage.Options{Dir: dir}})
		file := filepath.Join(t.TempDir(), "a")
		require.ErrorIs(t, e.backup(t.Context(), "a", file).err, durable.ErrNoData)
		require.NoFileExists(t, file)
		require.NoError(t, e.stop())
		require.NoFileExists(t, filepath.Join(dir, e.ns.UniqueKey, e.ns.IDFromName("a")+".sqlite"))
	}))
	t.Run("waits for a transaction and for a cursor", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		file := filepath.Join(t.TempDir(), "a")
		var section *durable.Section
		e.send("a", func(o *durable.Object, done func(error)) {
			o.Enter(nil, true, func(s *durable.Section, err error) {
				require.NoError(t, err)
				section = s
				require.NoError(t, write(o))
				done(nil)
			})
		})
		e.settle()
		r := e.backup(t.Context(), "a", file)
		require.False(t, r.done)
		var c *storage.Cursor
		event := e.send("a", func(o *durable.Object, done func(error)) {
			var err error
			c, err = o.Database().Exec(`SELECT n FROM n UNION ALL SELECT 2`, nil)
			require.NoError(t, err)
			done(nil)
		})
		section.Leave(nil, func(error) {})
		e.visit("a", func(o *durable.Object) { o.EndTurn() })
		require.True(t, r.done)
		require.NoError(t, r.err)
		require.True(t, event.done)

		r = e.backup(t.Context(), "a", file+"2")
		require.False(t, r.done, "a cursor is open")
		require.NoError(t, c.Close())
		require.Equal(t, 2, count(t, e, "a"))
		require.Equal(t, &ended{done: true}, r)
		require.NoError(t, e.stop())
	}))
	t.Run("three at once, one after another", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		dir, ends := t.TempDir(), 0
		e.visit("a", func(o *durable.Object) {
			for _, name := range []string{"1", "2", "3"} {
				o.Backup(t.Context(), filepath.Join(dir, name), func(err error) { require.NoError(t, err); ends++ })
			}
		})
		e.settle()
		require.Equal(t, 3, ends)
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("an object that is reset meanwhile", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			_, err := o.Database().Exec(`SELECT 1 UNION ALL SELECT 2`, nil)
			return err
		}))
		require.NoError(t, e.do("a", write))
		r := e.backup(t.Context(), "a", filepath.Join(t.TempDir(), "a"))
		require.False(t, r.done)
		e.visit("a", func(o *durable.Object) { o.Break(&durable.Error{Message: "enough"}) })
		require.ErrorContains(t, r.err, "enough")
		require.NoError(t, e.stop())
	}))
}

func TestNamespace_Restore(t *testing.T) {
	t.Run("resets the object and has its alarm again", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		ran := alarmLog(e, nil)
		file := filepath.Join(t.TempDir(), "a")
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.do("a", setAlarm(e, time.Minute)))
		require.NoError(t, e.backup(t.Context(), "a", file).err)
		require.NoError(t, e.do("a", setAlarm(e, time.Hour)))
		require.NoError(t, e.do("a", write))

		var old *durable.Object
		waiting := e.send("a", func(o *durable.Object, done func(error)) { old = o })
		e.settle()
		gone := e.gone
		require.Equal(t, &ended{done: true}, e.restore("a", file))
		require.Equal(t, gone+1, e.gone)
		require.ErrorContains(t, old.Broken(), "restored from a backup")
		require.False(t, waiting.done, "the guest answers its events")
		require.Equal(t, 1, count(t, e, "a"))
		e.advance(2 * time.Minute)
		require.Equal(t, []string{"a at 1m0s retry 0"}, *ran)
		e.advance(2 * time.Hour)
		require.Len(t, *ran, 1, "and not the other")
		require.NoError(t, e.stop())
	}))
	t.Run("an alarm that is not in the backup is gone", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		ran := alarmLog(e, nil)
		file := filepath.Join(t.TempDir(), "a")
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.backup(t.Context(), "a", file).err)
		require.NoError(t, e.do("a", setAlarm(e, time.Minute)))
		require.NoError(t, e.restore("a", file).err)
		e.advance(time.Hour)
		require.Empty(t, *ran)
		require.NoError(t, e.stop())
	}))
	t.Run("events wait for it", bubble(func(t *testing.T) {
		d := newDisk()
		d.hold = false
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		file := filepath.Join(t.TempDir(), "a")
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.backup(t.Context(), "a", file).err)
		require.NoError(t, e.do("a", write))
		d.mu.Lock()
		d.hold = true
		d.mu.Unlock()
		r := e.restore("a", file)
		require.False(t, r.done)
		n := 0
		event := e.send("a", func(o *durable.Object, done func(error)) {
			c, err := o.Database().Exec(`SELECT count(*) FROM n`, nil)
			require.NoError(t, err)
			n = int(c.Value(0).Float)
			done(c.Close())
		})
		e.settle()
		require.False(t, event.done)
		d.releaseAll()
		e.settle()
		require.True(t, r.done)
		require.True(t, event.done)
		require.NoError(t, event.err)
		require.Equal(t, 1, n)
		require.NoError(t, e.stop())
	}))
	t.Run("another object, which an alarm wakes that was due long ago", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		ran := alarmLog(e, nil)
		file := filepath.Join(t.TempDir(), "a")
		require.NoError(t, e.do("a", setAlarm(e, time.Minute)))
		require.NoError(t, e.backup(t.Context(), "a", file).err)
		e.advance(time.Hour)
		require.Len(t, *ran, 1)
		require.NoError(t, e.restore("b", file).err)
		e.advance(time.Minute)
		require.Equal(t, []string{"a at 1m0s retry 0", "b at 1h0m0s retry 0"}, *ran)
		require.False(t, hasAlarm(t, e, "b"))
		require.NoError(t, e.stop())
	}))
	t.Run("over a database that cannot be opened", bubble(func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		e := newEngine(t, options{storage: storage.Options{Dir: dir}})
		file := filepath.Join(t.TempDir(), "a")
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.backup(t.Context(), "a", file).err)
		id := e.ns.IDFromName("a")
		require.NoError(t, e.stop())
		damaged := filepath.Join(dir, "worker-Class", id+".sqlite")
		require.NoError(t, os.WriteFile(damaged, bytes.Repeat([]byte("mine"), 2048), 0o600))
		e = newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.ErrorContains(t, e.backup(t.Context(), "a", file+"2").err, "file is not a database")
		require.ErrorContains(t, e.restore("a", file).err, "move "+damaged+" away while no worker runs, and try again")
		require.NoError(t, e.do("b", write))
		require.NoError(t, e.stop())
		require.NoError(t, os.Rename(damaged, damaged+".away"))
		e = newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.NoError(t, e.restore("a", file).err)
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("twice at once", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		one, two := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.backup(t.Context(), "a", one).err)
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.backup(t.Context(), "a", two).err)
		id, name, ends := e.ns.IDFromName("a"), "a", 0
		for _, file := range []string{one, two} {
			b, err := storage.CheckBackup(file)
			require.NoError(t, err)
			require.NoError(t, e.ns.Restore(id, &name, b, func(err error) { require.NoError(t, err); ends++ }))
		}
		e.settle()
		require.Equal(t, 2, ends)
		require.Equal(t, 2, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
}
