// Package storage keeps each object's data in a SQLite file of its own, laid out as workerd does:
//
//	<dir>/<uniqueKey>/<64 hex>.sqlite       one database for each object
//	<dir>/<uniqueKey>/metadata.sqlite       the alarms of the namespace
//
// # Durability
//
// Databases run in WAL mode and commit without waiting for the disk. A commit makes its log dirty; the syncer makes
// dirty logs durable, several at once, and then reports. Commits made while it works share its next round. Nobody
// acknowledges a write before the report, so that an acknowledged write survives kill -9 and power loss, and the event
// loop waits for the disk only when it opens a database. A failed sync is final: the store takes no more commits.
//
// What a process that died has left is made durable before anybody reads it. Package powerloss shows all of this.
//
// A Database belongs to the one goroutine of its object's loop; a Store may be used from any.
package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Options of a store.
type Options struct {
	Dir  string
	Disk Disk // makes files durable; default the machine's disk
	// VFS is the name of SQLite's file layer; default the machine's. Package powerloss has one for tests.
	VFS string
	// NoSync acknowledges commits at once: they survive the death of the process, not of the machine.
	NoSync bool
}

// Store is a data directory, held by this process alone.
type Store struct {
	dir    string
	vfs    string
	syncer *syncer
	lock   *os.File
	opened atomic.Int64

	mu   sync.Mutex
	made map[string]bool // directories that are durable
}

const marker = "durago.store"

// ErrInUse says that another process holds the directory.
var ErrInUse = errors.New("the data directory is in use by another process: stop it, or choose another with --persist-to")

// Open takes the directory, and makes it if there is none. One that workerd has made is taken too, unless a workerd
// runs on it: ErrInUse. A directory with other things in it is refused.
func Open(o Options) (*Store, error) {
	if o.Disk == nil {
		o.Disk = machine{}
	}
	if o.VFS == "" {
		o.VFS = "os"
	}
	if err := makeDirs(o.Dir, o.Disk); err != nil {
		return nil, fmt.Errorf("cannot make the data directory: %w: choose another with --persist-to", err)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot use the data directory: %w: choose another with --persist-to", err)
	}
	ours := len(entries) == 0
	for _, e := range entries {
		ours = ours || e.Name() == marker
	}
	taken := false
	if !ours {
		if taken, err = ofWorkerd(o.Dir, entries); err != nil {
			return nil, fmt.Errorf("cannot use the data directory: %w: choose another with --persist-to", err)
		}
		if !taken {
			return nil, fmt.Errorf("%s holds files that are not durago's: choose an empty directory with --persist-to", o.Dir)
		}
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, marker), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the data directory is not writable: %w: choose another with --persist-to", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.Dir, ErrInUse), lock.Close())
	}
	if !o.NoSync { // a directory with objects and no marker would not be ours
		if err := o.Disk.SyncDir(o.Dir); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot make the data directory durable: %w", err), lock.Close())
		}
	}
	s := &Store{dir: o.Dir, vfs: o.VFS, lock: lock, syncer: newSyncer(o.Disk, o.NoSync), made: map[string]bool{}}
	if taken {
		if err := s.checkIdle(entries); err != nil { // it stays workerd's
			return nil, errors.Join(err, os.Remove(lock.Name()), s.Close())
		}
	}
	return s, nil
}

// makeDirs makes a directory and those above it, each durable before the next. One that is there already may have been
// made by a process that was killed before it was durable.
func makeDirs(dir string, disk Disk) error {
	parent := filepath.Dir(dir)
	_, err := os.Stat(dir)
	if err == nil {
		if err := disk.SyncDir(parent); !errors.Is(err, os.ErrPermission) { // none of ours
			return err
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := makeDirs(parent, disk); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return disk.SyncDir(parent)
}

// makeDir makes the directory of a namespace, durable, once.
func (s *Store) makeDir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[dir] {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if !s.syncer.noSync {
		if err := s.syncer.disk.SyncDir(s.dir); err != nil {
			return s.syncer.fail(err)
		}
	}
	s.made[dir] = true
	return nil
}

// Interrupted are the ids of the objects of a namespace whose databases a process left open when it died.
func (s *Store) Interrupted(uniqueKey string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, uniqueKey))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("storage: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".sqlite-wal"); ok && len(id) == 64 {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Close waits for the last syncs and lets the directory go. All databases must be closed.
func (s *Store) Close() error {
	s.syncer.close()
	return s.lock.Close()
}

// OpenDatabases is how many databases are open.
func (s *Store) OpenDatabases() int { return int(s.opened.Load()) }

// Quiet tells whether everything committed so far is durable and reported.
func (s *Store) Quiet() bool { return s.syncer.quiet() }
