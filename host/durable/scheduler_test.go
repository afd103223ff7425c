package durable_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
)

// TestObject_EndTurn_order kills the process at each of its writes while an alarm changes, and looks at what is left in
// both databases before anything puts it right: the scheduler never knows of a later time than the object does. Were the
// order the other way round, some write would leave them so.
func TestObject_EndTurn_order(t *testing.T) {
	for _, row := range []struct{ from, to int }{{0, 10}, {20, 10}, {10, 20}, {10, 0}} {
		t.Run(fmt.Sprintf("from %d to %d", row.from, row.to), func(t *testing.T) {
			between := 0 // deaths that left the two different
			for n := 1; ; n++ {
				own, known := 0, 0
				over := false
				bubble(func(t *testing.T) { own, known, over = killed(t, row.from, row.to, n) })(t)
				require.Contains(t, []int{row.from, row.to}, own)
				require.Contains(t, []int{row.from, row.to}, known)
				if own != known {
					between++
				}
				require.False(t, known == 0 && own != 0, "after write %d the scheduler knows nothing of an alarm", n)
				require.False(t, own != 0 && known > own, "after write %d the scheduler is late", n)
				if over {
					break
				}
			}
			require.NotZero(t, between, "no death came between the two")
		})
	}
}

// killed changes an alarm, and kills the process at its n-th write.
func killed(t *testing.T, from, to, n int) (own, known int, over bool) {
	disk := powerloss.New(powerloss.Scratch(t), uint64(n))
	defer disk.Close()
	o := storage.Options{Dir: disk.Path("state"), Disk: disk, VFS: disk.Name(), NoSync: true}
	e := newEngine(t, options{storage: o})
	require.NoError(t, e.do("a", inOrder(write, alarmAt(5), alarmAt(from)))) // both databases are open
	disk.CutAfter(n)
	e.send("a", func(o *durable.Object, done func(error)) { done(alarmAt(to)(o)) })
	e.settle()
	over = !disk.Off()
	disk.TurnOff()
	_ = e.stop()
	disk.Kill()
	s, err := storage.Open(o)
	require.NoError(t, err)
	d, table := s.Database("worker-Class", e.ns.IDFromName("a")), s.Alarms("worker-Class")
	rows, err := table.Load()
	require.NoError(t, err)
	if len(rows) > 0 {
		known = int(rows[0].At.Sub(epoch) / time.Second)
	}
	at, ok, err := d.Alarm()
	require.NoError(t, err)
	if ok {
		own = int(at.Sub(epoch) / time.Second)
	}
	require.NoError(t, errors.Join(d.Close(), table.Close(), s.Close()))
	return own, known, over
}

func TestObject_EndTurn_alarm(t *testing.T) {
	t.Run("a later one waits for the object alone", bubble(func(t *testing.T) {
		e, d := prepared(t)
		r := e.send("a", func(o *durable.Object, done func(error)) { done(alarmAt(30)(o)) })
		e.settle()
		require.Equal(t, []string{file(e, "a")}, d.names())
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, r.done)
		require.Equal(t, []string{table}, d.names())
		d.releaseAll()
		e.settle()
		require.NoError(t, e.stop())
	}))
	broken := func(t *testing.T, f func(e *engine)) {
		dir := filepath.Join(t.TempDir(), "state")
		e := newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.NoError(t, e.do("a", alarmAt(20)))
		require.NoError(t, e.stop())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "worker-Class", "metadata.sqlite"), make([]byte, 8192), 0o600))
		e = newEngine(t, options{storage: storage.Options{Dir: dir}})
		f(e)
		require.NoError(t, e.stop())
	}
	t.Run("an earlier one that the scheduler cannot be told of is not committed", bubble(func(t *testing.T) {
		broken(t, func(e *engine) {
			err := e.do("a", inOrder(put("lost"), alarmAt(10)))
			require.ErrorContains(t, err, "file is not a database")
			var failed *durable.Error
			require.ErrorAs(t, err, &failed)
			require.True(t, failed.Reset)
			require.NoError(t, e.do("a", func(o *durable.Object) error {
				require.Equal(t, "20", keys(t, o))
				return nil
			}))
		})
	}))
	t.Run("a deletion that the scheduler cannot be told of is", bubble(func(t *testing.T) {
		broken(t, func(e *engine) {
			require.NoError(t, e.do("a", inOrder(put("kept"), alarmAt(0))))
			require.Len(t, e.log, 1)
			require.Contains(t, e.log[0], "file is not a database")
			require.NoError(t, e.do("a", func(o *durable.Object) error {
				require.Equal(t, "kept", keys(t, o))
				return nil
			}))
		})
	}))
}

// TestEngine_Start_disagreement: the object's own row decides, whatever the scheduler's table says.
func TestEngine_Start_disagreement(t *testing.T) {
	for _, row := range []struct {
		name       string
		own, known int // seconds; 0 is none
		ran        []string
		rows       int // in the table afterwards
	}{
		{"the same", 20, 20, []string{"a at 20s retry 0"}, 0},
		{"the table is too early", 20, 10, []string{"a at 20s retry 0"}, 0},
		{"the table is too late", 10, 20, []string{"a at 20s retry 0"}, 0},
		{"the object has none", 0, 10, nil, 0},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			o := storage.Options{Dir: filepath.Join(t.TempDir(), "state")}
			e := newEngine(t, options{storage: o})
			require.NoError(t, e.do("a", inOrder(write, alarmAt(row.own))))
			id := e.ns.IDFromName("a")
			require.NoError(t, e.stop())
			s, err := storage.Open(o)
			require.NoError(t, err)
			table := s.Alarms("worker-Class")
			r := storage.AlarmRow{ID: id, At: epoch.Add(time.Duration(row.known) * time.Second), Name: "a", Named: true}
			require.NoError(t, table.Put(r, func(error) {}))
			require.NoError(t, errors.Join(table.Close(), s.Close()))

			e = newEngine(t, options{storage: o, idle: time.Second})
			require.NoError(t, e.Start())
			made := 0
			e.constructor = func(*durable.Object) error { made++; return nil }
			ran := alarmLog(e, nil)
			e.advance(time.Hour)
			require.Equal(t, row.ran, *ran)
			require.Equal(t, len(row.ran), made, "an object is not made for an alarm that it does not have")
			require.Equal(t, 1, e.store.OpenDatabases(), "nor does its database stay open")
			require.NoError(t, e.stop())
			s, err = storage.Open(o)
			require.NoError(t, err)
			table = s.Alarms("worker-Class")
			rows, err := table.Load()
			require.NoError(t, err)
			require.Len(t, rows, row.rows)
			require.NoError(t, errors.Join(table.Close(), s.Close()))
		}))
	}
}

// TestObject_alarm_transaction: an alarm whose time comes while a transaction has changed it waits for the end of that.
func TestObject_alarm_transaction(t *testing.T) {
	for _, row := range []struct {
		name string
		to   int // what the transaction sets, in seconds
		undo bool
		ran  []string
	}{
		{"moved, and undone", 100, true, []string{"a at 25s retry 0"}},
		{"deleted, and undone", 0, true, []string{"a at 25s retry 0"}},
		{"moved", 100, false, []string{"a at 1m40s retry 0"}},
		{"deleted", 0, false, nil},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			ran := alarmLog(e, nil)
			require.NoError(t, e.do("a", alarmAt(20)))
			s := enter(t, e, "a", nil, true)
			e.visit("a", func(o *durable.Object) { require.NoError(t, alarmAt(row.to)(o)) })
			e.advance(25 * time.Second)
			require.Empty(t, *ran)
			var failed error
			if row.undo {
				failed = errors.New("undo")
			}
			require.Equal(t, failed, leave(t, e, s, failed))
			e.advance(time.Hour)
			require.Equal(t, row.ran, *ran)
			require.False(t, hasAlarm(t, e, "a"))
			require.NoError(t, e.stop())
		}))
	}
	t.Run("its end waits too, and is not undone with another's", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var finish func()
		runs := 0
		e.handle = func(o *durable.Object, ev *durable.Event) bool {
			if _, ok := ev.Payload.(durable.Alarm); !ok {
				return false
			}
			runs++
			o.BeginAlarm()
			finish = func() { answer(o, ev, nil); o.EndTurn() }
			return true
		}
		require.NoError(t, e.do("a", alarmAt(1)))
		e.advance(time.Second)
		s := enter(t, e, "a", nil, true)
		require.NoError(t, e.Do(finish))
		e.settle()
		require.EqualError(t, leave(t, e, s, errors.New("undo")), "undo")
		require.False(t, hasAlarm(t, e, "a"))
		e.advance(time.Hour)
		require.Equal(t, 1, runs)
		require.NoError(t, e.stop())
	}))
}

// TestObject_alarm_counts: which failures count, and what follows from that.
func TestObject_alarm_counts(t *testing.T) {
	fail := errors.New("no")
	for _, row := range []struct {
		name string
		run  func(e *engine, o *durable.Object) error
		runs int // -1: without end
	}{
		{"a handler that fails", func(*engine, *durable.Object) error { return fail }, 7},
		{"an object that resets itself", func(_ *engine, o *durable.Object) error { o.Break(fail); return nil }, 7},
		{"a commit that fails", func(_ *engine, o *durable.Object) error {
			return exec(o, `INSERT INTO c VALUES (1)`)
		}, -1},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			require.NoError(t, e.do("a", func(o *durable.Object) error {
				return exec(o, `CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)`)
			}))
			var at []time.Time
			e.alarm = func(o *durable.Object, a durable.Alarm) error {
				if row.runs > 0 {
					require.Equal(t, len(at), a.Retries)
				} else {
					require.Zero(t, a.Retries)
				}
				at = append(at, e.clock.Now())
				return row.run(e, o)
			}
			require.NoError(t, e.do("a", alarmAt(1)))
			e.advance(3 * time.Hour)
			for i := 1; i < len(at); i++ {
				least := 2 * time.Second << min(i-1, 9)
				require.GreaterOrEqual(t, at[i].Sub(at[i-1]), least, i)
				require.LessOrEqual(t, at[i].Sub(at[i-1]), least+least/4, i)
			}
			if row.runs > 0 {
				require.Len(t, at, row.runs)
				require.False(t, hasAlarm(t, e, "a"))
			} else {
				require.Greater(t, len(at), 12)
				require.True(t, hasAlarm(t, e, "a"))
			}
			require.NoError(t, e.stop())
		}))
	}
	t.Run("delays begin anew when a failure counts after one that did not", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		made := 0
		e.constructor = func(*durable.Object) error {
			if made++; made > 1 && made < 5 { // the handler is not reached
				return fail
			}
			return nil
		}
		require.NoError(t, e.do("a", alarmAt(1)))
		e.visit("a", func(o *durable.Object) { require.NoError(t, o.Evict()) })
		var at []time.Time
		e.alarm = func(_ *durable.Object, a durable.Alarm) error {
			require.Equal(t, len(at), a.Retries)
			at = append(at, e.clock.Now())
			return fail
		}
		e.advance(time.Hour)
		require.Len(t, at, 7)
		require.GreaterOrEqual(t, at[0].Sub(epoch), 15*time.Second, "after 2, 4 and 8 s")
		require.LessOrEqual(t, at[1].Sub(at[0]), 2500*time.Millisecond)
		require.NoError(t, e.stop())
	}))
	t.Run("a class without a handler has none", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		ran := alarmLog(e, nil)
		require.NoError(t, e.do("a", alarmAt(1)))
		e.ns.SetHasAlarm(false)
		e.advance(time.Hour)
		require.Empty(t, *ran)
		require.Equal(t, []string{"Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?"}, e.log)
		require.False(t, hasAlarm(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("an alarm that was dropped spares a newer one", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		runs := 0
		e.alarm = func(o *durable.Object, a durable.Alarm) error {
			if runs++; a.Retries == 6 { // it comes before the alarm is dropped
				e.send("a", func(o *durable.Object, done func(error)) { done(alarmAt(3600)(o)) })
			}
			if runs > 7 {
				return nil
			}
			o.Break(fail)
			return nil
		}
		require.NoError(t, e.do("a", alarmAt(1)))
		e.advance(30 * time.Minute)
		require.Equal(t, 7, runs)
		require.True(t, hasAlarm(t, e, "a"))
		e.advance(time.Hour)
		require.Equal(t, 8, runs)
		require.NoError(t, e.stop())
	}))
}

// TestEngine_Start_damaged: a table of alarms that cannot be read is made again from the objects, whenever the process that
// does it dies, and kept under another name.
func TestEngine_Start_damaged(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file string){
		"noise": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("mine"), 2048), 0o600))
		},
		"noise after the first page": func(t *testing.T, file string) {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(bytes.Repeat([]byte("mine"), 2048), 4096)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
		"a process that died before it had made it again": func(t *testing.T, file string) {
			require.NoError(t, os.Rename(file, file+".damaged"))
		},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			file := filepath.Join(dir, "worker-Class", "metadata.sqlite")
			e := newEngine(t, options{storage: storage.Options{Dir: dir}})
			for _, name := range []string{"a", "b", "c"} {
				require.NoError(t, e.do(name, alarmAt(60)))
			}
			require.NoError(t, e.do("c", alarmAt(0)))
			require.NoError(t, e.do("d", put("k")))
			require.NoError(t, e.stop())
			damage(t, file)
			for range 2 {
				e = newEngine(t, options{storage: storage.Options{Dir: dir}})
				require.NoError(t, e.Start())
				require.NoError(t, e.stop())
				require.FileExists(t, file+".replaced")
				require.NoFileExists(t, file+".damaged")
			}
			e = newEngine(t, options{storage: storage.Options{Dir: dir}})
			ran := 0
			e.alarm = func(*durable.Object, durable.Alarm) error { ran++; return nil }
			require.NoError(t, e.Start())
			e.advance(time.Minute)
			require.Equal(t, 2, ran)
			require.Empty(t, e.log)
			require.NoError(t, e.stop())
		}))
	}
}
