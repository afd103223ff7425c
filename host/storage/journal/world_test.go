package journal_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// fault is a rule that is broken.
type fault string

const (
	none          fault = ""
	notSynced     fault = "the journal is not synced"
	releasedEarly fault = "a segment is released before the logs are synced"
	reusedEarly   fault = "a segment is used again before its release is durable"
	noFence       fault = "no fence"
	noMarker      fault = "no marker"
	lateTombstone fault = "a tombstone after the removal"
	perHandle     fault = "positions are kept by handle"
	noChecksum    fault = "no checksum"
	earlyGate     fault = "the gate opens early"
	cutNotSynced  fault = "a log that is cut is not synced"
	headAtOnce    fault = "the head of a new log is not kept back"
	neverSpilled  fault = "a segment is released though files do not have all of it"
)

type tally struct{ losses, deaths, inRecovery, stops, commits, acknowledged, extra, lost, removed, reused int }

// model is what one database may hold: the state after each commit since the last check.
type model struct {
	path         string             // below the data directory
	states       []map[int][32]byte // nil: removed, or never made
	acknowledged int
	conn         *sqlite3.Conn
}

func (m *model) last() map[int][32]byte { return m.states[len(m.states)-1] }

// world is a disk and its databases, through several power losses.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	ages     *rand.Rand // how large tails may become
	disk     *powerloss.Disk
	fault    fault
	j        *journal.Journal
	models   []*model
	opening  bool
	cutting  bool
	template []byte
	root     string
	all      *tally
}

// The world is the journal's disk, without the syncs that a fault leaves out.

func (w *world) OpenFile(path string, create bool) (journal.File, error) {
	f, err := w.disk.OpenFile(path, create)
	if err == nil && strings.HasSuffix(path, ".segment") {
		f = segment{f, w}
	}
	return f, err
}

// segment looks closely at the moment when one is used again.
type segment struct {
	journal.File
	w *world
}

func (s segment) WriteAt(p []byte, off int64) (int, error) {
	if off == 0 && !s.w.opening && s.w.rng.IntN(10) == 0 {
		s.w.disk.CutAfter(2 + s.w.rng.IntN(5))
	}
	return s.File.WriteAt(p, off)
}

func (s segment) WriteSync(p []byte, off int64) error {
	if s.w.fault == notSynced {
		_, err := s.WriteAt(p, off)
		return err
	}
	return s.File.WriteSync(p, off)
}

func (w *world) Remove(path string) error { return w.disk.Remove(path) }

func (w *world) SyncAll(path string) error {
	if !w.opening && w.fault == releasedEarly {
		return nil
	}
	return w.disk.SyncAll(path)
}

func (w *world) SyncFile(path string) error {
	segment, log := strings.HasSuffix(path, ".segment"), strings.HasSuffix(path, "-wal")
	switch {
	case segment && w.fault == notSynced, segment && w.opening && w.fault == noFence,
		log && !w.cutting && !w.opening && w.fault == releasedEarly, log && w.cutting && w.fault == cutNotSynced:
		return nil
	}
	return w.disk.SyncFile(path)
}

func (w *world) SyncDir(path string) error {
	if w.opening && w.fault == noFence && strings.HasSuffix(path, journal.Directory) {
		return nil
	}
	return w.disk.SyncDir(path)
}

// live lets a world live through several losses.
func live(t *testing.T, seed uint64, f fault, all *tally) error {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), ages: rand.New(rand.NewPCG(seed, 2)), root: powerloss.Scratch(t), fault: f, all: all}
	w.disk = powerloss.New(w.root, seed)
	defer w.disk.Close()
	defer func() { _ = os.RemoveAll(w.root) }() // many worlds are one test
	var err error
	if w.template, err = os.ReadFile("../template.sqlite"); err != nil {
		return err
	}
	for i := range 12 {
		dir := string(rune('a' + i%2))
		w.models = append(w.models, &model{path: fmt.Sprintf("%s/%02d.sqlite", dir, i), states: []map[int][32]byte{nil}})
		if err := os.MkdirAll(w.disk.Path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := w.disk.SyncAll(""); err != nil {
		return err
	}
	defer w.die()
	if err := w.recover(); err != nil {
		return err
	}
	for life := range 8 {
		w.disk.CutAfter(1 + w.rng.IntN(8<<w.rng.IntN(9)))
		if err := w.life(); err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
		if err := w.restart(); err != nil {
			return fmt.Errorf("after life %d: %w", life, err)
		}
		if err := w.check(); err != nil {
			return fmt.Errorf("after life %d: %w", life, err)
		}
	}
	return nil
}

func (w *world) recover() (err error) {
	o := journal.Options{Root: w.disk.Path(""), Disk: w, VFS: w.disk.Name(), Template: w.template, SegmentSize: 128 << 10, Keep: 2, Most: 5,
		Tails: []int64{0, 64 << 10}[w.ages.IntN(2)], Tail: []int{-1, 2 << 10, 64 << 10}[w.ages.IntN(3)]}
	switch w.fault {
	case reusedEarly, lateTombstone, perHandle, cutNotSynced: // found sooner where every file is made at once
		o.Tail = -1
	}
	o.Faults = journal.Faults{ReuseEarly: w.fault == reusedEarly, NoMarkers: w.fault == noMarker, LateTombstone: w.fault == lateTombstone,
		ByHandle: w.fault == perHandle, NoChecksums: w.fault == noChecksum, HeadAtOnce: w.fault == headAtOnce, NeverSpilled: w.fault == neverSpilled}
	w.opening = true
	defer func() { w.opening = false }()
	w.j, err = journal.Recover(o)
	return err
}

// die ends the process: nothing that it does after that reaches the disk.
func (w *world) die() {
	w.disk.TurnOff()
	for _, m := range w.models {
		if m.conn != nil {
			_ = m.conn.Close()
			m.conn = nil
		}
	}
	if w.j != nil {
		w.j.Abandon()
		w.j = nil
	}
}

// restart brings the machine back, perhaps after it has failed in the middle of that.
func (w *world) restart() error {
	for {
		w.die()
		if w.rng.IntN(3) == 0 {
			w.all.deaths++
			w.disk.Kill()
		} else {
			w.all.losses++
			root := powerloss.Scratch(w.t)
			if err := w.disk.PowerLoss(root); err != nil {
				return err
			}
			_ = os.RemoveAll(w.root)
			w.root = root
		}
		if w.rng.IntN(4) == 0 {
			w.disk.CutAfter(1 + w.rng.IntN(40))
		}
		err := w.recover()
		if !w.disk.Off() {
			w.disk.CutAfter(-1)
			return err
		}
		w.all.inRecovery++
	}
}

// life works until the power goes.
func (w *world) life() error {
	for !w.disk.Off() {
		err := w.work(w.models[w.rng.IntN(len(w.models))])
		if err != nil && !w.disk.Off() {
			return err
		}
		if w.j == nil { // it was stopped, and the power went
			continue
		}
		if all, _ := w.j.Segments(); all >= 4 {
			w.all.reused++
		}
	}
	return nil
}

func (w *world) work(m *model) error {
	switch p := w.rng.IntN(1000); {
	case p < 620:
		return w.transaction(m, 1+w.rng.IntN(4), false)
	case p < 650:
		return w.transaction(m, 20+w.rng.IntN(30), w.rng.IntN(3) == 0)
	case p < 760:
		return w.j.Flush()
	case p < 840:
		return w.checkpoint(m)
	case p < 900:
		return w.close(m)
	case p < 920:
		return w.remove(m)
	case p < 925:
		return w.stop()
	case p < 935:
		if m.conn != nil {
			return m.conn.Exec(`VACUUM`)
		}
		return nil
	}
	return w.j.Release(uint64(w.rng.IntN(3)))
}

func (w *world) open(m *model) error {
	if m.conn != nil {
		return nil
	}
	path := w.disk.Path(m.path)
	head, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(head) <= len(w.template) && !bytes.HasPrefix(head, w.template[:16]) && !w.j.Young(path) { // as storage.Database does it
		if err := w.j.Create(path); err != nil {
			return err
		}
	}
	m.conn, err = sqlite3.OpenFlags("file:"+path+"?vfs="+w.j.VFS()+"&_pragma=locking_mode(exclusive)", sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return err
	}
	auto := []string{"0", "12", "12; PRAGMA cache_size=5", "12; PRAGMA journal_size_limit=16384"}[w.rng.IntN(4)]
	return m.conn.Exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=` + auto)
}

func (w *world) transaction(m *model, rows int, undo bool) error {
	if err := w.open(m); err != nil {
		return err
	}
	state := maps.Clone(m.last())
	if state == nil {
		state = map[int][32]byte{}
	}
	if err := m.conn.Exec(`BEGIN; CREATE TABLE IF NOT EXISTS kv (k INTEGER PRIMARY KEY, v BLOB)`); err != nil {
		return err
	}
	for range rows {
		k, v := w.rng.IntN(40), w.value(rows)
		state[k] = sha256.Sum256(v)
		if err := m.conn.Exec(fmt.Sprintf(`INSERT OR REPLACE INTO kv VALUES (%d, x'%x')`, k, v)); err != nil {
			return err
		}
	}
	if undo {
		return m.conn.Exec(`ROLLBACK`)
	}
	m.states = append(m.states, state) // even a commit that fails may be there
	w.all.commits++
	if err := m.conn.Exec(`COMMIT`); err != nil {
		return err
	}
	w.acknowledge(m)
	return nil
}

func (w *world) value(rows int) []byte {
	n := 20 + w.rng.IntN(300)
	if rows > 4 || w.rng.IntN(8) == 0 {
		n = 1000 + w.rng.IntN(4000)
	}
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(w.rng.Uint32())
	}
	return v
}

func (w *world) acknowledge(m *model) {
	n := len(m.states) - 1
	report := func(err error) {
		if err == nil && n > m.acknowledged {
			w.all.acknowledged++
			m.acknowledged = n
		}
	}
	if w.fault == earlyGate {
		report(nil)
		return
	}
	w.j.Committed(report)
}

func (w *world) checkpoint(m *model) error {
	if m.conn == nil && (m.last() == nil || w.rng.IntN(2) == 0) {
		return nil
	}
	if err := w.open(m); err != nil {
		return err
	}
	if err := m.conn.Exec(`SELECT count(*) FROM sqlite_schema`); err != nil {
		return err
	}
	w.cutting = true
	defer func() { w.cutting = false }()
	_, _, err := m.conn.WALCheckpoint("main", sqlite3.CheckpointMode(w.rng.IntN(4)))
	return err
}

func (w *world) close(m *model) (err error) {
	if m.conn == nil {
		return nil
	}
	how := w.rng.IntN(3)
	switch how {
	case 1:
		_, err = m.conn.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	case 2:
		_, err = m.conn.FileControl("main", sqlite3.FCNTL_PERSIST_WAL, true)
	}
	err = errors.Join(err, m.conn.Close())
	m.conn = nil
	if err != nil || how != 1 || w.rng.IntN(2) == 0 {
		return err
	}
	// Opened again, and copied, while the writes of the first opening are on their way.
	return w.checkpoint(m)
}

func (w *world) remove(m *model) error {
	if m.last() == nil {
		return nil
	}
	if m.conn != nil {
		err := m.conn.Close()
		m.conn = nil
		if err != nil {
			return err
		}
	}
	path := w.disk.Path(m.path)
	m.states = append(m.states, nil)
	w.all.removed++
	if w.rng.IntN(4) == 0 { // and closely at this
		w.disk.CutAfter(1 + w.rng.IntN(8))
	}
	if err := w.j.Remove(path); err != nil {
		return err
	}
	w.acknowledge(m)
	return nil
}

// stop closes the journal, as a process does that is told to end, and begins another.
func (w *world) stop() error {
	for _, m := range w.models {
		if err := w.close(m); err != nil {
			return err
		}
	}
	for _, m := range w.models { // some are open again
		if m.conn != nil {
			err := m.conn.Close()
			m.conn = nil
			if err != nil {
				return err
			}
		}
	}
	if w.rng.IntN(2) == 0 { // and closely at this
		w.disk.CutAfter(1 + w.rng.IntN(40))
	}
	w.all.stops++
	err := w.j.Close()
	w.j = nil
	if err != nil {
		return err
	}
	return w.recover()
}

// check compares the databases with their models.
func (w *world) check() error {
	for _, m := range w.models {
		got, err := w.read(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		at := -1
		for i, s := range m.states {
			if (s == nil) == (got == nil) && maps.Equal(s, got) {
				at = i
			}
		}
		if at < m.acknowledged {
			return fmt.Errorf("%s: holds the state of commit %d, acknowledged was %d of %d", m.path, at, m.acknowledged, len(m.states)-1)
		}
		w.all.extra += at - m.acknowledged
		w.all.lost += len(m.states) - 1 - at
		// What has been read may be acted on: it must not go any more.
		m.states, m.acknowledged = []map[int][32]byte{m.states[at]}, 0
		if m.conn != nil && w.rng.IntN(2) == 0 {
			if err := w.close(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) read(m *model) (map[int][32]byte, error) {
	if _, err := os.Stat(w.disk.Path(m.path)); errors.Is(err, os.ErrNotExist) && !w.j.Young(w.disk.Path(m.path)) {
		return nil, nil
	}
	if err := w.open(m); err != nil {
		return nil, err
	}
	err := rows(m.conn, `PRAGMA integrity_check`, func(s *sqlite3.Stmt) error {
		if text := s.ColumnText(0); text != "ok" {
			return errors.New(text)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var got map[int][32]byte
	err = rows(m.conn, `SELECT count(*) FROM sqlite_schema`, func(s *sqlite3.Stmt) error {
		if s.ColumnInt(0) > 0 {
			got = map[int][32]byte{}
		}
		return nil
	})
	if got == nil || err != nil {
		return nil, err
	}
	err = rows(m.conn, `SELECT k, v FROM kv`, func(s *sqlite3.Stmt) error {
		got[s.ColumnInt(0)] = sha256.Sum256(s.ColumnRawBlob(1))
		return nil
	})
	return got, err
}

func rows(c *sqlite3.Conn, query string, each func(*sqlite3.Stmt) error) error {
	s, _, err := c.Prepare(query)
	if err != nil {
		return err
	}
	for s.Step() && err == nil {
		err = each(s)
	}
	return errors.Join(err, s.Close())
}
