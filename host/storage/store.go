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
// loop never waits for the disk. A failed sync is final: the store takes no more commits.
//
// A Database belongs to the one goroutine of its object's loop; a Store may be used from any.
package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Options of a store.
type Options struct {
	Dir  string
	Disk Disk // makes files durable; default the machine's disk
	// NoSync acknowledges commits at once: they survive the death of the process, not of the machine.
	NoSync bool
}

// Store is a data directory, held by this process alone.
type Store struct {
	dir    string
	syncer *syncer
	lock   *os.File
	opened atomic.Int64
}

const marker = "durago.store"

// ErrInUse says that another process holds the directory.
var ErrInUse = errors.New("the data directory is in use by another process: stop it, or choose another with --persist-to")

// Open takes the directory, and makes it if there is none. A directory with other things in it is refused.
func Open(o Options) (*Store, error) {
	if o.Disk == nil {
		o.Disk = machine{}
	}
	entries, err := os.ReadDir(o.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("cannot make the data directory: %w: choose another with --persist-to", err)
		}
	case err != nil:
		return nil, fmt.Errorf("cannot use the data directory: %w: choose another with --persist-to", err)
	}
	ours := len(entries) == 0
	for _, e := range entries {
		ours = ours || e.Name() == marker
	}
	if !ours {
		return nil, fmt.Errorf("%s holds files that are not durago's: choose an empty directory with --persist-to", o.Dir)
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, marker), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the data directory is not writable: %w: choose another with --persist-to", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.Dir, ErrInUse), lock.Close())
	}
	return &Store{dir: o.Dir, lock: lock, syncer: newSyncer(o.Disk, o.NoSync)}, nil
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
