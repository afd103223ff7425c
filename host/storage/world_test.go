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
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"durago.example/host/storage"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// how a store makes commits durable.
type how string

const (
	oneJournal how = "one journal"
	eachLog    how = "a sync of each log"
)

// fault is what a broken store or disk does.
type fault string

const (
	none          fault = ""
	noSync        fault = "no sync"
	noLogSync     fault = "no sync of the log"
	noNameSync    fault = "no sync of a log's name"
	noRootSync    fault = "no sync of the data directory"
	notSynced     fault = "the journal is not synced"
	releasedEarly fault = "a segment is released before the logs are synced"
	reusedEarly   fault = "a segment is used again before its release is durable"
	noFence       fault = "no fence"
	noMarker      fault = "no marker"
	perHandle     fault = "positions are kept by handle"
	noChecksum    fault = "no checksum"
	earlyGate     fault = "the gate opens early"
)

type tally struct {
	losses, deaths, inRecovery, stops                  int
	commits, acknowledged, extra, lost                 int
	checkpoints, retired, removed, fullJournals, waits int
}

// model is what one database may hold: the state after each commit since the last check.
type model struct {
	namespace, id string
	states        []map[int]string // by key; the first is known to be there
	acknowledged  int              // index into states
	db            *storage.Database
}

func (m *model) path(w *world) string {
	return filepath.Join(w.disk.Path("state"), m.namespace, m.id+".sqlite")
}

// world is one disk and its databases, through several power losses.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *powerloss.Disk
	how     how
	fault   fault
	models  []*model
	store   *storage.Store
	opening bool
	all     *tally

	mu      sync.Mutex
	near    *rand.Rand // of the journal's goroutine
	inline  bool       // syncs do not wait
	copying int        // checkpoints under way
	waiting map[request][]chan error
}

// live lets a world live through several losses.
func live(t *testing.T, seed uint64, how how, f fault, all *tally) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), disk: powerloss.New(powerloss.Scratch(t), seed), how: how, fault: f, all: all, near: rand.New(rand.NewPCG(seed, 2)), waiting: map[request][]chan error{}}
		defer w.disk.Close()
		w.disk.LazyNames = f == noNameSync
		for i := range 6 {
			w.models = append(w.models, &model{namespace: "worker-" + string(rune('A'+i%2)), id: fmt.Sprintf("%064x", i), states: []map[int]string{{}}})
		}
		for life := range 6 {
			w.disk.CutAfter(1 + w.rng.IntN(8<<w.rng.IntN(9)))
			if err = w.life(); err != nil {
				err = fmt.Errorf("life %d: %w", life, err)
				return
			}
			if err = w.restart(); err != nil {
				err = fmt.Errorf("after life %d: %w", life, err)
				return
			}
		}
	})
	return err
}

// restart brings the machine back, perhaps after it has failed in the middle of that, and looks at what it has.
func (w *world) restart() error {
	for {
		if w.rng.IntN(3) == 0 {
			w.all.deaths++
			w.disk.Kill()
		} else {
			w.all.losses++
			if err := w.disk.PowerLoss(powerloss.Scratch(w.t)); err != nil {
				return err
			}
		}
		if w.rng.IntN(4) == 0 {
			w.disk.CutAfter(1 + w.rng.IntN(30))
		}
		err := w.open()
		if !w.disk.Off() {
			w.disk.CutAfter(-1)
			if err != nil {
				return fmt.Errorf("the store does not open: %w", err)
			}
			err = w.check()
			w.die()
			w.disk.Kill() // the next life begins with what this process has read
			return err
		}
		w.die()
		w.all.inRecovery++
	}
}

// The world is the store's disk: a sync waits until the world lets it go on.

// request is a sync.
type request struct {
	path string
	dir  bool
}

// OpenFile opens a file of the simulated disk.
func (w *world) OpenFile(path string, create bool) (journal.File, error) {
	f, err := w.disk.OpenFile(path, create)
	if err == nil && strings.HasSuffix(path, ".segment") {
		f = segment{f, w, path}
	}
	return f, err
}

// segment looks closely at the moment when one is used again.
type segment struct {
	journal.File
	w    *world
	path string
}

func (s segment) WriteAt(p []byte, off int64) (int, error) {
	s.w.mu.Lock()
	cut := off == 0 && !s.w.inline && s.w.near.IntN(10) == 0
	after := 2 + s.w.near.IntN(5)
	s.w.mu.Unlock()
	if cut {
		s.w.disk.CutAfter(after)
	}
	return s.File.WriteAt(p, off)
}

// WriteSync waits until the world lets the sync go on.
func (s segment) WriteSync(p []byte, off int64) error {
	if _, err := s.WriteAt(p, off); err != nil {
		return err
	}
	return s.w.SyncFile(s.path)
}

// Remove removes a file of the simulated disk.
func (w *world) Remove(path string) error { return w.disk.Remove(path) }

// SyncAll does not wait: it is a part of a recovery.
func (w *world) SyncAll(path string) error { return w.disk.SyncAll(path) }

// SyncFile waits until the world lets it go on.
func (w *world) SyncFile(path string) error { return w.ask(request{path, false}) }

// SyncDir waits too.
func (w *world) SyncDir(path string) error { return w.ask(request{path, true}) }

func (w *world) ask(r request) error {
	w.mu.Lock()
	if w.inline {
		w.mu.Unlock()
		return w.grant(r)
	}
	c := make(chan error)
	w.waiting[r] = append(w.waiting[r], c)
	w.mu.Unlock()
	return <-c
}

func (w *world) grant(r request) error {
	segment, log := strings.HasSuffix(r.path, ".segment"), strings.HasSuffix(r.path, "-wal")
	w.mu.Lock()
	copying := w.copying > 0
	w.mu.Unlock()
	switch {
	case w.fault == noLogSync && log,
		w.fault == noRootSync && r.dir && filepath.Base(r.path) == "state",
		w.fault == notSynced && segment,
		w.fault == noFence && w.opening && (segment || filepath.Base(r.path) == journal.Directory),
		w.fault == releasedEarly && log && !copying && !w.opening:
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
	if len(requests) == 0 {
		w.mu.Unlock()
		return false
	}
	r := requests[w.rng.IntN(len(requests))]
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

func (w *world) setInline(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inline = on
}

// while runs f and lets the disk work as long as f waits for it. What goroutines do when it waits first is returned.
func (w *world) while(f func() error) (waits string, err error) {
	synctest.Wait()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for {
		synctest.Wait()
		select {
		case err := <-done:
			return waits, err
		default:
			if waits == "" {
				b := make([]byte, 1<<20)
				waits = string(b[:runtime.Stack(b, true)])
			}
			if !w.sync() {
				return waits, errors.New("it waits for nothing")
			}
		}
	}
}

func (w *world) open() (err error) {
	w.setInline(true)
	w.opening = true
	defer w.setInline(false)
	defer func() { w.opening = false }()
	o := storage.Options{Dir: w.disk.Path("state"), Disk: w, VFS: w.disk.Name(), NoSync: w.fault == noSync, SyncLogs: w.how == eachLog,
		Journal: journal.Options{SegmentSize: 128 << 10, Keep: 2, Most: 5, Faults: journal.Faults{ReuseEarly: w.fault == reusedEarly,
			NoMarkers: w.fault == noMarker, ByHandle: w.fault == perHandle, NoChecksums: w.fault == noChecksum}}}
	if w.store, err = storage.Open(o); err != nil {
		return err
	}
	synctest.Wait()
	for _, m := range w.models[:2] {
		if err := w.store.MakeNamespace(m.namespace); err != nil {
			return err
		}
	}
	return nil
}

// die ends the process; with the power off nothing that it does reaches the disk.
func (w *world) die() {
	w.disk.TurnOff()
	w.setInline(true)
	defer w.setInline(false)
	for w.sync() {
	}
	for _, m := range w.models {
		if m.db != nil {
			_ = m.db.Close()
			m.db = nil
		}
	}
	if w.store != nil {
		_ = w.store.Close()
		w.store = nil
	}
}

// life works until the power goes.
func (w *world) life() error {
	defer w.die()
	err := w.open()
	for err == nil && !w.disk.Off() {
		err = w.work(w.models[w.rng.IntN(len(w.models))])
		synctest.Wait()
	}
	if w.disk.Off() {
		return nil
	}
	return err
}

func (w *world) work(m *model) error {
	switch p := w.rng.IntN(1000); {
	case p < 440:
		return w.transaction(m, 1+w.rng.IntN(4), 20+w.rng.IntN(600))
	case p < 500:
		return w.transaction(m, 12, 20+w.rng.IntN(600))
	case p < 505: // more than the journal takes before it has room again
		return w.transaction(m, 70, 16<<10)
	case p < 550: // opened, and no more
		return w.use(m, func() error { _, err := m.db.Size(); return err })
	case p < 580:
		return w.use(m, func() error {
			if err := m.exec(`CREATE TABLE undone (x)`); err != nil {
				return err
			}
			return m.db.Rollback()
		})
	case p < 700:
		w.sync()
		return nil
	case p < 760:
		for w.sync() {
		}
		return nil
	case p < 820:
		return w.checkpoint(m)
	case p < 850:
		return w.deleteAll(m)
	case p < 860:
		return w.stop()
	case p < 900: // as a reset does it, in the middle
		return w.close(m, false)
	}
	return w.close(m, true)
}

// use runs f as a loop does.
func (w *world) use(m *model, f func() error) error {
	synctest.Wait()
	if m.db == nil {
		m.db = w.store.Database(m.namespace, m.id)
	}
	if !m.db.Free(func() {}) { // the engine waits then
		return nil
	}
	waits, err := w.while(f)
	switch {
	case strings.Contains(waits, "journal.(*Journal).append("):
		w.all.fullJournals++ // rule 7
	case waits != "":
		w.all.waits++
	}
	return err
}

func (m *model) exec(query string, args ...storage.Arg) error {
	c, err := m.db.Exec(query, args)
	if err != nil {
		return err
	}
	return c.Close()
}

func (w *world) transaction(m *model, rows, size int) error {
	state := maps.Clone(m.states[len(m.states)-1])
	return w.use(m, func() error {
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
		return w.commit(m, state)
	})
}

func (w *world) commit(m *model, state map[int]string) error {
	m.states = append(m.states, state) // even a commit that fails may be there
	n := len(m.states) - 1
	w.all.commits++
	report := func(err error) {
		w.mu.Lock() // reports of different databases come side by side
		defer w.mu.Unlock()
		if err == nil && n > m.acknowledged {
			w.all.acknowledged++
			m.acknowledged = n
		}
	}
	_, err := m.db.Commit(report)
	if err == nil && w.fault == earlyGate {
		report(nil)
	}
	return err
}

func (w *world) deleteAll(m *model) error {
	err := w.use(m, func() error {
		if err := m.db.DeleteAll(); err != nil {
			return err
		}
		return w.commit(m, map[int]string{})
	})
	if err == nil && w.rng.IntN(2) == 0 {
		err = w.close(m, true)
	}
	return err
}

// checkpoint has the log copied while the disk works on other things.
func (w *world) checkpoint(m *model) error {
	return w.use(m, func() error {
		if _, err := m.db.Size(); err != nil {
			return err
		}
		w.all.checkpoints++
		w.copies(func(done func()) { m.db.Checkpoint(done) })
		return nil
	})
}

func (w *world) copies(f func(done func())) {
	w.mu.Lock()
	w.copying++
	w.mu.Unlock()
	f(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.copying--
	})
}

// close evicts: to retire a database, all of it must be durable.
func (w *world) close(m *model, retire bool) error {
	if m.db == nil {
		return nil
	}
	db := m.db
	m.db = nil
	if !retire {
		if err := db.Close(); err != nil || w.rng.IntN(2) == 0 {
			return err
		}
		// Opened again, and copied, while the writes of the first opening are on their way.
		if w.rng.IntN(3) == 0 {
			w.disk.CutAfter(1 + w.rng.IntN(30))
		}
		return w.checkpoint(m)
	}
	for w.sync() {
	}
	if w.disk.Off() {
		return db.Close()
	}
	before, err := os.Stat(m.path(w))
	w.all.retired++
	if len(m.states[len(m.states)-1]) == 0 && w.rng.IntN(3) == 0 { // and closely at the removal
		w.disk.CutAfter(1 + w.rng.IntN(20))
	}
	w.copies(func(done func()) {
		err = errors.Join(db.Retire())
		synctest.Wait()
		if db.Free(done) {
			go done() // it had nothing to do, or others come first
		}
	})
	for w.rng.IntN(3) > 0 && w.sync() {
	}
	if _, e := os.Stat(m.path(w)); before != nil && errors.Is(e, os.ErrNotExist) {
		w.all.removed++
	}
	return err
}

// retireLeft retires what an earlier life has left and this one has not used, as an engine does when it starts.
func (w *world) retireLeft(s *storage.Store) error {
	for _, namespace := range []string{"worker-A", "worker-B"} {
		ids, err := s.Interrupted(namespace)
		if err != nil {
			return err
		}
		for _, id := range ids {
			d := s.Database(namespace, id)
			if _, _, err := d.Alarm(); err != nil {
				return err
			}
			if err := d.Retire(); err != nil {
				return err
			}
		}
	}
	return nil
}

// stop ends the store as a process does that is told to, and begins it again. What is left is workerd's layout.
func (w *world) stop() error {
	for _, m := range w.models {
		if m.db != nil {
			if err := m.db.Close(); err != nil {
				return err
			}
			m.db = nil
		}
	}
	s := w.store
	w.store = nil
	_, err := w.while(func() error { return errors.Join(w.retireLeft(s), s.Close()) })
	if err != nil || w.disk.Off() {
		return err
	}
	w.all.stops++
	err = filepath.WalkDir(w.disk.Path("state"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Ext(path) != ".sqlite" && e.Name() != "durago.store" || e != nil && e.Name() == journal.Directory {
			return fmt.Errorf("%s was left", path)
		}
		return err
	})
	for _, m := range w.models {
		if m.acknowledged != len(m.states)-1 && w.fault == none {
			err = errors.Join(err, errors.New("stopped with a commit that was not reported"))
		}
	}
	return errors.Join(err, w.open())
}

// check compares the databases with their models.
func (w *world) check() error {
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
		w.all.extra += at - m.acknowledged
		w.all.lost += len(m.states) - 1 - at
		// What has been read may be acted on: it must not go any more.
		m.states, m.acknowledged = []map[int]string{m.states[at]}, 0
	}
	return nil
}

func (w *world) read(m *model) (got map[int]string, err error) {
	got = map[int]string{}
	if _, err := os.Stat(m.path(w)); errors.Is(err, os.ErrNotExist) {
		return got, nil
	}
	m.db = w.store.Database(m.namespace, m.id)
	c, err := m.db.Exec(`PRAGMA quick_check`, nil)
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
