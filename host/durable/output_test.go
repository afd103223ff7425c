package durable_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

func file(e *engine, name string) string {
	return "worker-Class/" + e.ns.IDFromName(name) + ".sqlite-wal"
}

const table = "worker-Class/metadata.sqlite-wal"

func TestObject_Output(t *testing.T) {
	t.Run("waits for the writes of its turn and of those before", bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		nothing := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.settle()
		require.True(t, nothing.done, "a turn without writes waits for nothing")
		first := e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		e.settle()
		second := e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		reader := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		other := e.send("b", func(_ *durable.Object, done func(error)) { done(nil) })
		e.settle()
		require.True(t, other.done, "another object waits for nothing")
		require.False(t, first.done || second.done || reader.done)
		require.Equal(t, []string{file(e, "a")}, d.names())
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, first.done)
		require.False(t, second.done || reader.done, "they wait for the second write, which the next sync is for")
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, second.done && reader.done)
		require.NoError(t, e.stop())
	}))
	t.Run("resets an object whose writes are not durable after 30 seconds", bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		loose := e.send("b", func(o *durable.Object, done func(error)) { done(loosely(put("k"))(o)) })
		first := e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		e.advance(15 * time.Second)
		reader := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.advance(15 * time.Second)
		require.False(t, first.done)
		e.advance(10 * time.Second)
		for _, r := range []*result{first, reader} {
			require.True(t, r.done)
			require.ErrorContains(t, r.err, "Durable Object storage operation exceeded timeout which caused object to be reset.")
			var failed *durable.Error
			require.ErrorAs(t, r.err, &failed)
			require.True(t, failed.Reset)
		}
		require.True(t, loose.done)
		require.NoError(t, loose.err)
		e.visit("b", func(o *durable.Object) { require.NoError(t, o.Broken()) })
		d.releaseAll()
		e.settle()
		require.Equal(t, 1, count(t, e, "a"), "they may be durable all the same")
		e.advance(time.Hour)
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("commits of one round share a sync", bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		var all []*result
		for range 10 {
			all = append(all, e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) }))
			e.settle()
		}
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, all[0].done)
		require.False(t, all[1].done)
		d.release(file(e, "a"), nil)
		e.settle()
		for _, r := range all {
			require.True(t, r.done)
		}
		require.Empty(t, d.names())
		require.NoError(t, e.stop())
	}))
	for _, first := range []string{"object", "table"} {
		t.Run("an earlier alarm waits for the object and for the scheduler's table, first the "+first, bubble(func(t *testing.T) {
			d := newDisk()
			e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
			e.send("z", func(o *durable.Object, done func(error)) { done(write(o)) })
			e.settle()
			r := e.send("a", func(o *durable.Object, done func(error)) {
				at := epoch.Add(time.Hour)
				done(errors.Join(write(o), o.SetAlarm(&at)))
			})
			e.settle()
			d.release(file(e, "z"), nil) // the next round has both
			e.settle()
			order := []string{file(e, "a"), table}
			require.ElementsMatch(t, order, d.names())
			if first == "table" {
				order[0], order[1] = order[1], order[0]
			}
			d.release(order[0], nil)
			e.settle()
			require.False(t, r.done)
			d.release(order[1], nil)
			e.settle()
			require.True(t, r.done)
			require.NoError(t, e.stop())
		}))
	}
	t.Run("the table learns of any other change when the object has it for good, and nobody waits for that", bubble(func(t *testing.T) {
		d := newDisk()
		d.set(false)
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		require.NoError(t, e.do("a", setAlarm(e, time.Hour)))
		d.set(true)
		r := e.send("a", func(o *durable.Object, done func(error)) { done(o.SetAlarm(nil)) })
		e.settle()
		require.Equal(t, []string{file(e, "a")}, d.names(), "the table is not ahead of the object")
		require.False(t, r.done)
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, r.done)
		require.Equal(t, []string{table}, d.names())
		d.release(table, nil)
		require.NoError(t, e.stop())
	}))
	t.Run("a failed sync resets the object, and is final", bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		r := e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		behind := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.settle()
		d.release(file(e, "a"), errors.New("input/output error"))
		e.settle()
		require.ErrorContains(t, r.err, "the disk failed to make a write durable: input/output error")
		require.ErrorContains(t, behind.err, "input/output error")
		err := e.do("b", write)
		require.ErrorContains(t, err, "input/output error", "another object's writes fail too")
		require.ErrorContains(t, e.stop(), "input/output error")
	}))
	t.Run("what was held fails with the reason of the reset", bubble(func(t *testing.T) {
		d := newDisk()
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		r := e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		e.settle()
		e.visit("a", func(o *durable.Object) { o.Break(errors.New("abort")) })
		require.EqualError(t, r.err, "abort")
		d.releaseAll()
		e.settle()
		require.Equal(t, 1, count(t, e, "a"), "the write had been committed")
		require.NoError(t, e.stop())
	}))
}
