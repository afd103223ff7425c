package durable_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// keys are the keys of an object, and its alarm in seconds.
func keys(t *testing.T, o *durable.Object) string {
	t.Helper()
	entries, err := o.Database().List(storage.ListOptions{})
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Key)
	}
	at, ok, err := o.Alarm()
	require.NoError(t, err)
	if ok {
		out = append(out, fmt.Sprint(int(at.Sub(epoch)/time.Second)))
	}
	return strings.Join(out, " ")
}

// script runs what a transaction's test does, a word each: a key is put, +n sets the alarm at n seconds and +0 deletes
// it, "(" begins a transaction, ")" ends it, "!" ends it and undoes it, "<" rolls it back before its end, and "<<" the one
// around it, which fails. "*" deletes everything, and "x" that is refused.
func script(t *testing.T, o *durable.Object, words string) {
	t.Helper()
	var open []*durable.Transaction
	for _, w := range strings.Fields(words) {
		last := len(open) - 1
		switch {
		case w == "(":
			x, err := o.Begin()
			require.NoError(t, err)
			open = append(open, x)
		case w == ")" || w == "!":
			require.NoError(t, open[last].End(w == "!"))
			open = open[:last]
		case w == "<":
			require.NoError(t, open[last].Rollback())
		case w == "<<":
			require.EqualError(t, open[last-1].Rollback(), "Cannot roll back an outer transaction while a nested transaction is still running.")
		case w == "*":
			require.NoError(t, o.DeleteAll())
		case w == "x":
			require.EqualError(t, o.DeleteAll(), "Cannot call deleteAll() within a transaction")
		case w[0] == '+':
			var seconds int
			_, err := fmt.Sscan(w[1:], &seconds)
			require.NoError(t, err)
			require.NoError(t, alarmAt(seconds)(o))
		default:
			require.NoError(t, put(w)(o))
		}
	}
	require.Empty(t, open)
}

func TestObject_Begin(t *testing.T) {
	for _, row := range []struct{ name, script, want string }{
		{"what is written stays", "a ( b ) c", "a b c"},
		{"what is undone does not, and what is around it does", "a ( b ! c", "a c"},
		{"an inner one that is undone leaves the outer", "( a ( b ! c )", "a c"},
		{"an outer one that is undone takes the inner with it", "( a ( b ) c ! d", "d"},
		{"the first write of all may be undone", "( a ! b", "b"},
		{"a rollback is at once, and what follows is outside", "( a < b ) c", "b c"},
		{"a second rollback does nothing", "a ( b < c < ) d", "a c d"},
		{"a rollback and a failure", "( a < b !", "b"},
		{"an outer one cannot be rolled back from within", "( a ( b << ) c )", "a b c"},
		{"but when the inner is rolled back", "( a ( b < < ) c )", "a c"},
		{"a rollback within one that is undone", "( a ( b < c ) !", ""},
		{"the alarm is a part of it", "+10 ( +20 ) a", "a 20"},
		{"and is undone", "+10 ( +20 a ! b", "b 10"},
		{"and its deletion", "+10 ( +0 ( +30 ! ! ", "10"},
		{"the inner's stays when the outer's does", "+10 ( +20 ( +30 ) )", "30"},
		{"deleting everything is refused inside", "a ( b x ( x ) ) c", "a b c"},
		{"deleting everything takes what the turn wrote, and the alarm", "a +10 * b", "b"},
		{"deleting everything is followed by an alarm", "+10 * +20", "20"},
		{"deleting everything twice", "a * b * +30", "30"},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			e := newEngine(t, options{storage: storage.Options{Dir: dir}})
			require.NoError(t, e.do("a", func(o *durable.Object) error {
				script(t, o, row.script)
				require.Equal(t, row.want, keys(t, o))
				return nil
			}))
			require.NoError(t, e.stop())

			// The same is on the disk, and in the scheduler's table.
			e = newEngine(t, options{storage: storage.Options{Dir: dir}})
			require.NoError(t, e.do("a", func(o *durable.Object) error {
				require.Equal(t, row.want, keys(t, o))
				return nil
			}))
			require.NoError(t, e.Start())
			ran := alarmLog(e, nil)
			e.advance(time.Hour)
			if w := strings.Fields(row.want); len(w) > 0 && w[len(w)-1] >= "1" && w[len(w)-1] < "9" {
				require.Equal(t, []string{fmt.Sprintf("a at %ss retry 0", w[len(w)-1])}, *ran)
			} else {
				require.Empty(t, *ran)
			}
			require.NoError(t, e.stop())
		}))
	}
}

// TestObject_Begin_handler: what a transaction does to the alarm within the alarm's own handler. None is seen until one
// is set; what is undone was never done.
func TestObject_Begin_handler(t *testing.T) {
	for _, row := range []struct {
		name, script string
		inside, then string // the alarm as the handler sees it at its end, and when it has run
	}{
		{"nothing", "", "", ""},
		{"a transaction with an alarm", "( +100 )", "100", "100"},
		{"one that is undone", "( +100 !", "", ""},
		{"one that is rolled back", "( +100 < )", "", ""},
		{"an inner one that is undone", "( ( +100 ! )", "", ""},
		{"an inner one that stays", "( ( +100 ) )", "100", "100"},
		{"one that changes nothing within one that does", "( +100 ( ! )", "100", "100"},
		{"all together, undone", "( ( +100 ! ( +100 ) ( ! !", "", ""},
		{"an alarm, and a deletion that is undone", "+100 ( +0 !", "100", "100"},
		{"a deletion that is undone", "( +0 !", "", ""},
		{"deleting everything", "*", "", ""},
		{"deleting everything, and an alarm", "* +100", "100", "100"},
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fails %v", row.name, fails), bubble(func(t *testing.T) {
				e := newEngine(t, options{})
				runs := 0
				e.alarm = func(o *durable.Object, a durable.Alarm) error {
					if runs++; runs > 1 {
						return nil
					}
					script(t, o, row.script)
					require.Equal(t, row.inside, keys(t, o))
					if fails {
						return errors.New("no")
					}
					return nil
				}
				require.NoError(t, e.do("a", alarmAt(10)))
				e.advance(11 * time.Second)
				require.Equal(t, 1, runs)
				changed := row.then != "" || row.script == "*"
				want := row.then
				if fails && !changed {
					want = "10" // it is tried again
				}
				e.visit("a", func(o *durable.Object) { require.Equal(t, want, keys(t, o)) })
				e.advance(time.Hour)
				require.Equal(t, 1+boolean(want != ""), runs)
				e.visit("a", func(o *durable.Object) { require.Empty(t, keys(t, o)) })
				require.NoError(t, e.stop())
			}))
		}
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestObject_critical: an error that the database does not survive resets the object, with the text of the error, and
// until then every operation fails with it. What was committed before is kept.
func TestObject_critical(t *testing.T) {
	big := strings.Repeat("x", 3<<20) // more than SQLite keeps in memory, so that the statement itself writes
	for _, row := range []struct {
		name string
		err  error
		text string
	}{
		{"the disk is full", sqlite3.FULL, "database or disk is full: SQLITE_FULL"},
		{"the disk fails", sqlite3.IOERR_WRITE, "disk I/O error: SQLITE_IOERR"},
	} {
		for _, where := range []string{"a turn", "the commit of a turn", "a transaction of a turn", "a transaction that lasts", "its commit"} {
			t.Run(row.name+" in "+where, bubble(func(t *testing.T) {
				disk := powerloss.New(powerloss.Scratch(t), 1)
				defer disk.Close()
				e := newEngine(t, options{storage: storage.Options{Dir: disk.Path("state"), Disk: disk, VFS: disk.Name(), Journal: journal.Options{Tail: -1}}})
				require.NoError(t, e.do("a", inOrder(put("kept"), write)))
				old := start(t, e, "a")
				behind := e.send("a", func(_ *durable.Object, done func(error)) {})
				e.settle()
				failing := func(o *durable.Object) {
					disk.FailWrites(row.err)
					err := exec(o, `INSERT INTO n VALUES (?)`, storage.Arg{Kind: storage.Text, Bytes: []byte(big)})
					require.EqualError(t, err, row.text)
					everyOperation(t, o, row.text)
				}
				var err error
				switch where {
				case "a turn":
					err = e.do("a", func(o *durable.Object) error { require.NoError(t, put("lost")(o)); failing(o); return nil })
				case "the commit of a turn":
					err = e.do("a", func(o *durable.Object) error {
						require.NoError(t, put("lost")(o))
						disk.FailWrites(row.err)
						return nil
					})
				case "a transaction of a turn":
					err = e.do("a", func(o *durable.Object) error {
						x, err := o.Begin()
						require.NoError(t, err)
						require.NoError(t, put("lost")(o))
						failing(o)
						require.EqualError(t, x.End(false), row.text)
						return nil
					})
				case "a transaction that lasts":
					s := enter(t, e, "a", nil, true)
					e.visit("a", func(o *durable.Object) { require.NoError(t, put("lost")(o)); failing(o) })
					err = leave(t, e, s, nil)
				case "its commit":
					s := enter(t, e, "a", nil, true)
					e.visit("a", func(o *durable.Object) { require.NoError(t, put("lost")(o)) })
					disk.FailWrites(row.err)
					err = leave(t, e, s, nil)
				}
				require.EqualError(t, err, row.text)
				var failed *durable.Error
				require.ErrorAs(t, err, &failed)
				require.Equal(t, !strings.Contains(where, "commit"), failed.Reset, "the platform does not flag a commit that fails")
				require.EqualError(t, old.Broken(), row.text)
				require.False(t, behind.done, "its guest has it, and is told with Gone")
				disk.FailWrites(nil)
				require.NoError(t, e.do("a", func(o *durable.Object) error {
					require.NotSame(t, old, o)
					require.Equal(t, "kept", keys(t, o))
					return write(o)
				}))
				require.NoError(t, e.stop())
			}))
		}
	}
}

// TestObject_critical_read: it does so too in a turn that writes nothing.
func TestObject_critical_read(t *testing.T) {
	bubble(func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		e := newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.NoError(t, e.do("a", write))
		e.visit("a", func(o *durable.Object) { require.NoError(t, o.Evict()) })
		f, err := os.OpenFile(filepath.Join(dir, "worker-Class", e.ns.IDFromName("a")+".sqlite"), os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, 4096), 4096)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		const text = "database disk image is malformed: SQLITE_CORRUPT"
		old := start(t, e, "a")
		require.NoError(t, e.do("b", write))
		err = e.do("a", func(o *durable.Object) error {
			require.EqualError(t, exec(o, `SELECT * FROM n`), text)
			return nil
		})
		require.EqualError(t, err, text)
		require.EqualError(t, old.Broken(), text)
		require.NoError(t, e.stop())
	})(t)
}

// everyOperation holds that all of them fail with the same text.
func everyOperation(t *testing.T, o *durable.Object, text string) {
	t.Helper()
	at := epoch.Add(time.Hour)
	db := o.Database()
	for name, f := range map[string]func() error{
		"exec":      func() error { return exec(o, `SELECT 1`) },
		"get":       func() error { _, _, err := db.Get("kept"); return err },
		"put":       func() error { return db.Put("k", nil) },
		"delete":    func() error { _, err := db.Delete("kept"); return err },
		"list":      func() error { _, err := db.List(storage.ListOptions{}); return err },
		"size":      func() error { _, err := db.Size(); return err },
		"getAlarm":  func() error { _, _, err := o.Alarm(); return err },
		"setAlarm":  func() error { return o.SetAlarm(&at) },
		"deleteAll": func() error { return o.DeleteAll() },
		"begin":     func() error { _, err := o.Begin(); return err },
	} {
		require.EqualError(t, f(), text, name)
	}
}
