package storage_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
)

// TestStore_powerLoss cuts the power hundreds of times, at random operations of random work on a few databases, and
// holds after each that every database has all that was acknowledged, and otherwise whole transactions alone.
// DURAGO_POWER_LOSSES asks for more.
func TestStore_powerLoss(t *testing.T) {
	losses := 300
	if s := os.Getenv("DURAGO_POWER_LOSSES"); s != "" {
		var err error
		losses, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	var all tally
	for seed := uint64(1); all.losses < losses; seed++ {
		require.NoError(t, live(t, seed, none, &all), "seed %d", seed)
	}
	t.Logf("%d power losses and %d deaths of the process: %d commits, %d acknowledged, %d more survived, %d were lost",
		all.losses, all.deaths, all.commits, all.acknowledged, all.extra, all.lost)
	require.NotZero(t, all.lost, "nothing was ever lost: the disk does not forget")
	require.NotZero(t, all.extra)
}

// TestStore_powerLoss_catches seeds the faults that the test above is there to find.
func TestStore_powerLoss_catches(t *testing.T) {
	for _, f := range []fault{noSync, noLogSync, noNameSync, noRootSync} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			var all tally
			for seed := uint64(1); seed < 400; seed++ {
				if err := live(t, seed, f, &all); err != nil {
					t.Logf("found by seed %d, after %d power losses: %v", seed, all.losses, err)
					return
				}
			}
			t.Fatal("not found")
		})
	}
}

// fault is what a broken store or disk leaves out.
type fault string

const (
	none       fault = ""
	noSync     fault = "no sync"
	noLogSync  fault = "no sync of the log"
	noNameSync fault = "no sync of a log's name"
	noRootSync fault = "no sync of the data directory"
)

type tally struct{ losses, deaths, commits, acknowledged, extra, lost int }

// model is what one database may hold: the state after each commit since the last check.
type model struct {
	namespace, id string
	states        []map[int]string // by key; the first is known to be there
	acknowledged  int              // index into states
	db            *storage.Database
}

// world is one disk and its databases, through several power losses.
type world struct {
	rng    *rand.Rand
	disk   *powerloss.Disk
	fault  fault
	models []*model
	store  *storage.Store
	inline bool // the disk is used by the world's own goroutine

	mu      sync.Mutex
	waiting map[request][]chan error
}

// live lets a world live through several losses.
func live(t *testing.T, seed uint64, f fault, all *tally) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{rng: rand.New(rand.NewPCG(seed, 1)), disk: powerloss.New(scratch(t), seed), fault: f, waiting: map[request][]chan error{}}
		defer w.disk.Close()
		w.disk.LazyNames = f == noNameSync
		for i := range 6 {
			w.models = append(w.models, &model{namespace: "worker-" + string(rune('A'+i%2)), id: fmt.Sprintf("%064x", i), states: []map[int]string{{}}})
		}
		for life := range 6 {
			w.disk.CutAfter(1 + w.rng.IntN(8<<w.rng.IntN(8)))
			if err = w.life(all); err != nil {
				err = fmt.Errorf("life %d: %w", life, err)
				break
			}
			if w.rng.IntN(3) == 0 {
				all.deaths++
				w.disk.Kill()
			} else {
				all.losses++
				if err = w.disk.PowerLoss(scratch(t)); err != nil {
					break
				}
			}
			if err = w.check(all); err != nil {
				err = fmt.Errorf("after life %d: %w", life, err)
				break
			}
		}
	})
	return err
}

// scratch is an empty directory, in memory if there is such a place: the disk is simulated, so that a real one would
// only be slow.
func scratch(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "durago-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// request is what the syncer asks of the disk: the world does it when it likes.
type request struct {
	path string
	dir  bool
}

// SyncFile waits until the world lets it go on, if it is the syncer that calls.
func (w *world) SyncFile(path string) error { return w.ask(request{path, false}) }

// SyncDir waits too.
func (w *world) SyncDir(path string) error { return w.ask(request{path, true}) }

func (w *world) ask(r request) error {
	if w.inline {
		return w.grant(r)
	}
	c := make(chan error)
	w.mu.Lock()
	w.waiting[r] = append(w.waiting[r], c)
	w.mu.Unlock()
	return <-c
}

func (w *world) grant(r request) error {
	switch {
	case w.fault == noLogSync && !r.dir, w.fault == noRootSync && r.dir:
		return nil
	case r.dir:
		return w.disk.SyncDir(r.path)
	}
	return w.disk.SyncFile(r.path)
}

// sync grants one request and waits for what follows from it; false says that there is none.
func (w *world) sync() bool {
	synctest.Wait()
	w.mu.Lock()
	requests := slices.SortedFunc(maps.Keys(w.waiting), func(a, b request) int { return strings.Compare(a.path, b.path) })
	w.mu.Unlock()
	if len(requests) == 0 {
		return false
	}
	r := requests[w.rng.IntN(len(requests))]
	w.mu.Lock()
	askers := w.waiting[r]
	delete(w.waiting, r)
	w.mu.Unlock()
	err := w.grant(r)
	for _, c := range askers {
		c <- err
	}
	synctest.Wait()
	return true
}

func (w *world) open() error {
	w.inline = true
	defer func() { w.inline = false }()
	s, err := storage.Open(storage.Options{Dir: w.disk.Path("state"), Disk: w, VFS: w.disk.Name(), NoSync: w.fault == noSync})
	if err == nil {
		w.store = s
	}
	return err
}

// close ends the process; with the power off nothing that it does reaches the disk.
func (w *world) close() {
	w.disk.TurnOff()
	for _, m := range w.models {
		if m.db != nil {
			_ = m.db.Close()
			m.db = nil
		}
	}
	if w.store != nil {
		for w.sync() {
		}
		_ = w.store.Close()
		w.store = nil
	}
}

// life works until the power goes.
func (w *world) life(all *tally) error {
	defer w.close()
	err := w.open()
	for err == nil && !w.disk.Off() {
		err = w.work(all)
	}
	if w.disk.Off() {
		return nil
	}
	return err
}

func (w *world) work(all *tally) error {
	m := w.models[w.rng.IntN(len(w.models))]
	switch p := w.rng.IntN(100); {
	case p < 55:
		return w.transaction(m, 1+w.rng.IntN(4), 20+w.rng.IntN(600), all)
	case p < 56: // past SQLite's checkpoint
		return w.transaction(m, 70, 64<<10, all)
	case p < 60: // opened, and no more
		return w.use(m, func() error { _, err := m.db.Size(); return err })
	case p < 63:
		return w.use(m, func() error {
			if err := m.exec(`CREATE TABLE undone (x)`); err != nil {
				return err
			}
			return m.db.Rollback()
		})
	case p < 75:
		w.sync()
		return nil
	case p < 82:
		for w.sync() {
		}
		return nil
	}
	// Evict, as the engine does it, once all is durable; or in the middle, as at the end of the process.
	if m.db == nil {
		return nil
	}
	if w.rng.IntN(3) > 0 {
		for w.sync() {
		}
	}
	err := m.db.Close()
	m.db = nil
	return err
}

// use runs f while the syncer rests.
func (w *world) use(m *model, f func() error) error {
	synctest.Wait()
	w.inline = true
	defer func() { w.inline = false }()
	if m.db == nil {
		m.db = w.store.Database(m.namespace, m.id)
	}
	return f()
}

func (m *model) exec(query string, args ...storage.Arg) error {
	c, err := m.db.Exec(query, args)
	if err != nil {
		return err
	}
	return c.Close()
}

func (w *world) transaction(m *model, rows, size int, all *tally) error {
	state := map[int]string{}
	for k, v := range m.states[len(m.states)-1] {
		state[k] = v
	}
	err := w.use(m, func() error {
		if err := m.exec(`CREATE TABLE IF NOT EXISTS kv (k INTEGER PRIMARY KEY, v BLOB)`); err != nil {
			return err
		}
		for range rows {
			k, v := w.rng.IntN(80), bytes.Repeat([]byte{byte(w.rng.IntN(256)), byte(w.rng.IntN(256))}, size/2)
			state[k] = string(v)
			if err := m.exec(`INSERT INTO kv VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v`,
				storage.Arg{Kind: storage.Number, Float: float64(k)}, storage.Arg{Kind: storage.Blob, Bytes: v}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.states = append(m.states, state) // even a commit that fails may be there
	n := len(m.states) - 1
	all.commits++
	_, err = m.db.Commit(func(err error) {
		w.mu.Lock() // reports of different databases come side by side
		defer w.mu.Unlock()
		if err == nil {
			all.acknowledged++
			m.acknowledged = n
		}
	})
	return err
}

// check compares the databases with their models.
func (w *world) check(all *tally) error {
	defer w.close()
	if err := w.open(); err != nil {
		return fmt.Errorf("the store does not open: %w", err)
	}
	for _, m := range w.models {
		got, err := w.read(m)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", m.namespace, m.id, err)
		}
		at := -1
		for i := range m.states {
			if slices.Equal(sorted(m.states[i]), sorted(got)) {
				at = i
			}
		}
		if at < m.acknowledged {
			return fmt.Errorf("%s/%s: holds the state of commit %d, acknowledged was %d of %d", m.namespace, m.id, at, m.acknowledged, len(m.states)-1)
		}
		all.extra += at - m.acknowledged
		all.lost += len(m.states) - 1 - at
		// What has been read may be acted on: it must not go any more.
		m.states, m.acknowledged = []map[int]string{m.states[at]}, 0
	}
	return nil
}

func (w *world) read(m *model) (map[int]string, error) {
	got := map[int]string{}
	if _, err := os.Stat(filepath.Join(w.disk.Path("state"), m.namespace, m.id+".sqlite")); errors.Is(err, os.ErrNotExist) {
		return got, nil
	}
	var c *storage.Cursor
	err := w.use(m, func() (err error) {
		c, err = m.db.Exec(`PRAGMA quick_check`, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	for c.Next() {
		if s := string(c.Value(0).Bytes); s != "ok" {
			return nil, errors.New(s)
		}
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	if c, err = m.db.Exec(`SELECT k, v FROM kv`, nil); err != nil {
		if strings.Contains(err.Error(), "no such table") {
			return got, nil
		}
		return nil, err
	}
	for c.Next() {
		got[int(c.Value(0).Float)] = string(c.Value(1).Bytes)
	}
	return got, c.Close()
}

type row struct {
	k int
	v string
}

func sorted(m map[int]string) []row {
	out := make([]row, 0, len(m))
	for k, v := range m {
		out = append(out, row{k, v})
	}
	slices.SortFunc(out, func(a, b row) int { return cmp.Compare(a.k, b.k) })
	return out
}
