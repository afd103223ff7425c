package hosttest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
	"durago.example/host/storage"
)

// exchanged is how many objects a directory of TestExchange holds.
const exchanged = 12

// TestExchange: what one runtime has written into a directory and left cleanly, the other serves: values of every kind, SQL
// rows, alarms, names. Then it goes back, with more written.
func TestExchange(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	for name, firstIsWorkerd := range map[string]bool{"from workerd": true, "from the host": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Dir: filepath.Join(t.TempDir(), "state")}
			compared := 0
			compare := func(want, got []string) {
				t.Helper()
				require.Equal(t, want, got)
				compared += len(want)
			}
			stay := func(workerd bool, f func(h *hosttest.Host)) {
				o.Workerd = workerd
				h := hosttest.Start(t, o)
				f(h)
				h.Stop()
			}
			var first, second []string
			var alarms []storage.AlarmRow
			stay(firstIsWorkerd, func(h *hosttest.Host) {
				for i := range exchanged {
					fill(t, h, i)
				}
				first = everything(t, h)
				_, err := storage.Open(storage.Options{Dir: o.Dir})
				require.ErrorIs(t, err, storage.ErrInUse, "while it runs nobody else may have it")
			})
			alarms = alarmTable(t, o, firstIsWorkerd)
			require.Len(t, alarms, exchanged)
			stay(!firstIsWorkerd, func(h *hosttest.Host) {
				compare(first, everything(t, h))
				for i := range exchanged {
					answer(t, h, "POST", fmt.Sprintf("/count/object%d", i), "")
					answer(t, h, "POST", fmt.Sprintf("/keep/object%d", i), "")
				}
				second = everything(t, h)
				require.NotEqual(t, first, second)
			})
			require.Equal(t, alarms, alarmTable(t, o, !firstIsWorkerd), "the scheduler's table, with the names")
			stay(firstIsWorkerd, func(h *hosttest.Host) { compare(second, everything(t, h)) })
			if firstIsWorkerd {
				stay(false, func(h *hosttest.Host) {
					for i := range exchanged {
						ran, _ := h.Object("HOME", fmt.Sprint("object", i)).RunAlarm() // it fails at some, as it is told to
						require.True(t, ran, "an alarm that workerd has set")
					}
				})
			}
			t.Logf("conformance: %d answers and %d alarms here, 0 unlisted differences, 0 listed", compared, len(alarms))
		})
	}
}

// TestExchange_killed: what a workerd left that was killed the host serves; and what a host left that was killed workerd serves
// once a host has recovered it.
func TestExchange_killed(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	o := hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true}
	filled := func(t *testing.T, o hosttest.Options) (h *hosttest.Host, all []string) {
		h = hosttest.Start(t, o)
		for i := range exchanged {
			fill(t, h, i)
		}
		return h, everything(t, h)
	}
	t.Run("workerd", func(t *testing.T) {
		o := o
		o.Dir, o.Workerd = filepath.Join(t.TempDir(), "state"), true
		h, want := filled(t, o)
		require.NoError(t, syscall.Kill(h.PID(), syscall.SIGKILL))
		h.Stop()
		o.Workerd = false
		require.Equal(t, want, everything(t, hosttest.Start(t, o)))
	})
	t.Run("the host", func(t *testing.T) {
		o := o
		o.Dir = filepath.Join(t.TempDir(), "live")
		_, want := filled(t, o)
		left := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.CopyFS(left, os.DirFS(o.Dir)), "what a process leaves that is killed now")
		o.Dir = left
		hosttest.Start(t, o).Stop()
		require.Len(t, alarmTable(t, o, false), exchanged)
		o.Workerd = true
		require.Equal(t, want, everything(t, hosttest.Start(t, o)))
	})
}

func answer(t *testing.T, h *hosttest.Host, method, path, body string) string {
	t.Helper()
	status, text := h.Fetch(method, path, body)
	require.Equal(t, 200, status, "%s: %s", path, text)
	return text
}

// fill writes the i-th object.
func fill(t *testing.T, h *hosttest.Host, i int) {
	t.Helper()
	name := fmt.Sprint("object", i)
	answer(t, h, "POST", "/keep/"+name, "")
	for range i%3 + 1 {
		answer(t, h, "POST", "/count/"+name, "")
	}
	answer(t, h, "POST", "/remember/"+name, strings.Repeat("é€", i))
	answer(t, h, "POST", fmt.Sprintf("/alarm/%s?ms=%d", name, int64(1000+i)*time.Hour.Milliseconds()), "")
}

// everything is what all objects hold.
func everything(t *testing.T, h *hosttest.Host) (all []string) {
	t.Helper()
	for i := range exchanged {
		all = append(all, contents(t, h, i)...)
	}
	return all
}

// contents is what the i-th object holds.
func contents(t *testing.T, h *hosttest.Host, i int) []string {
	t.Helper()
	name := fmt.Sprint("object", i)
	lines := strings.Split(strings.TrimSpace(answer(t, h, "GET", "/kept/"+name, "")), "\n")
	require.Greater(t, len(lines), 20)
	for _, route := range []string{"/n/", "/remembered/", "/alarmat/"} {
		lines = append(lines, name+route+" "+answer(t, h, "GET", route+name, ""))
	}
	dump := answer(t, h, "GET", "/dump/"+name, "")
	require.Contains(t, dump, "CREATE TABLE rows (a, b, c, d)\n")
	require.Contains(t, dump, "1,2.5,NULL,X'00FF'\n", "the tables of one, dumped by the other")
	return append(lines, dump)
}

// alarmTable reads the scheduler's table of a directory that nobody has open.
func alarmTable(t *testing.T, o hosttest.Options, workerd bool) []storage.AlarmRow {
	t.Helper()
	c, err := wrangler.Load(o.Config)
	require.NoError(t, err)
	s, err := storage.Open(storage.Options{Dir: o.Dir})
	require.NoError(t, err, "left by workerd: %v", workerd)
	var rows []storage.AlarmRow
	for _, class := range c.Classes() {
		a := s.Alarms(class.UniqueKey)
		list, err := a.Load()
		require.NoError(t, err)
		require.NoError(t, a.Close())
		rows = append(rows, list...)
	}
	require.NoError(t, s.Close())
	for _, r := range rows {
		require.True(t, r.Named && strings.HasPrefix(r.Name, "object"), "%+v", r)
	}
	return rows
}
