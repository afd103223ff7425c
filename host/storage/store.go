// Package storage keeps each object's data in a SQLite file of its own, laid out as workerd does:
//
//	<dir>/<uniqueKey>/<64 hex>.sqlite       one database for each object
//	<dir>/<uniqueKey>/metadata.sqlite       the alarms of the namespace
//
// # Durability
//
// Databases run in WAL mode and commit without waiting for the disk. What was committed is made durable elsewhere, many
// commits with one sync, and then reported; nobody acknowledges a write before the report, so that an acknowledged write
// survives kill -9 and power loss. There is one journal for all databases (package journal); Options name the others. A
// loop never waits for the disk: logs are copied into their databases elsewhere too (checkpoint.go).
//
// A failed sync is final: the store takes no more commits, and its process should end. What a process that died has left
// is made durable before anybody reads it. Package powerloss shows all of this.
//
// After Close the directory holds what workerd's would, and a marker; workerd may have it.
//
// A Database belongs to the one goroutine of its object's loop; a Store may be used from any.
package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"durago.example/host/storage/journal"
)

// Options of a store.
type Options struct {
	Dir  string
	Disk Disk // makes files durable; default the machine's disk
	// VFS is the name of SQLite's file layer; default the machine's. Package powerloss has one for tests.
	VFS string
	// NoSync acknowledges commits at once: they survive the death of the process, not of the machine.
	NoSync bool
	// SyncLogs makes each log durable by itself, without a journal. SQLite's own syncs are then on the loop.
	SyncLogs bool
	// Journal has the sizes of the journal; the store sets the rest.
	Journal journal.Options
	// LogPages is how many pages a log may have before it is copied into its database; default 1000, which is 4 MB. A log
	// of an object that always has something under way may have four times as many.
	LogPages int
	// CPULimit is how long Exec and the rows that follow may work, until Renew, on the machine's clock; default 30 s.
	CPULimit time.Duration
}

// Store is a data directory, held by this process alone.
type Store struct {
	dir         string
	disk        Disk
	lock        *os.File
	noSync      bool
	logPages    int
	cpuLimit    time.Duration
	durable     durability
	checkpoints *checkpointer
	opened      atomic.Int64
	counts      Counts
	unreported  atomic.Int64 // commits
	failed      chan error
	failure     atomic.Pointer[error]

	mu   sync.Mutex
	made map[string]bool // directories that are durable
	logs map[string]bool // databases that may have a log
}

const marker = "durago.store"

// ErrInUse says that another process holds the directory.
var ErrInUse = errors.New("the data directory is in use by another process: stop it, or choose another with --persist-to")

// Open takes the directory, and makes it if there is none. One that workerd has made is taken too, unless a workerd
// runs on it: ErrInUse. A directory with other things in it is refused.
func Open(o Options) (*Store, error) {
	if o.Disk == nil {
		o.Disk = journal.Machine{}
	}
	if o.VFS == "" {
		o.VFS = "os"
	}
	if o.LogPages == 0 {
		o.LogPages = 1000
	}
	if o.CPULimit == 0 {
		o.CPULimit = 30 * time.Second
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
	s := &Store{lock: lock, noSync: o.NoSync, logPages: o.LogPages, cpuLimit: o.CPULimit, failed: make(chan error, 1), made: map[string]bool{}, logs: map[string]bool{}}
	o.Disk = timed{o.Disk, &s.counts.Syncs}
	s.disk = o.Disk
	s.checkpoints = newCheckpointer(s)
	if s.dir, err = resolve(o.Dir); err == nil {
		s.durable, err = s.recover(o)
	}
	if err == nil {
		if err = s.inherit(); err != nil {
			err = errors.Join(err, s.durable.close())
		}
	}
	if err != nil {
		err = fmt.Errorf("the data directory cannot be recovered: %w", err)
		if taken {
			err = errors.Join(err, os.Remove(lock.Name()))
		}
		return nil, errors.Join(err, letGo(lock))
	}
	if taken {
		if err := s.checkIdle(entries); err != nil { // it stays workerd's
			return nil, errors.Join(err, os.Remove(lock.Name()), s.Close())
		}
	}
	return s, nil
}

// resolve is a directory by the name that SQLite gives to it.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
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

// MakeNamespace makes the directory of a namespace, durable. What is not made before its first write is made with it, on
// the loop.
func (s *Store) MakeNamespace(uniqueKey string) error {
	return s.makeDir(filepath.Join(s.dir, uniqueKey))
}

func (s *Store) makeDir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[dir] {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if !s.noSync {
		if err := s.disk.SyncDir(s.dir); err != nil {
			return s.durable.fail(err)
		}
	}
	s.made[dir] = true
	return nil
}

// Close waits until all is durable, copies the logs into their databases, and lets the directory go. All databases must be
// closed. What a process that died has left of an object, and nobody has opened since, stays as it is (Interrupted).
func (s *Store) Close() error {
	err := s.durable.stop()
	if err == nil {
		s.checkpoints.sweep()
	}
	s.checkpoints.done.Wait()
	return errors.Join(err, s.durable.close(), letGo(s.lock))
}

// letGo gives the directory up. A program that is being started at this moment may have the file too, until it has begun;
// so that closing it is not enough.
func letGo(lock *os.File) error {
	return errors.Join(unix.Flock(int(lock.Fd()), unix.LOCK_UN), lock.Close())
}

// Failed says, once, that the disk has failed: nothing will be durable any more.
func (s *Store) Failed() <-chan error { return s.failed }

// Failure is what Failed says, or nil as long as it has said nothing.
func (s *Store) Failure() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *Store) failWith(err error) {
	s.failure.CompareAndSwap(nil, &err)
	select {
	case s.failed <- err:
	default:
	}
}

// OpenDatabases is how many databases are open.
func (s *Store) OpenDatabases() int { return int(s.opened.Load()) }

// Quiet tells whether everything committed so far is durable and reported, and no checkpoint is under way.
func (s *Store) Quiet() bool { return s.unreported.Load() == 0 && s.checkpoints.idle() }
