package storage

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Disk makes what was written durable. The fault tests give one that forgets the rest.
type Disk interface {
	// SyncFile returns when the file's content is durable.
	SyncFile(path string) error
	// SyncDir returns when the directory's entries are durable.
	SyncDir(path string) error
}

type machine struct{}

func (machine) SyncFile(path string) error { return syncPath(path, unix.Fdatasync) }
func (machine) SyncDir(path string) error  { return syncPath(path, unix.Fsync) }

func syncPath(path string, sync func(int) error) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // checkpointed and removed since: its content is in the database, which SQLite has synced
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return sync(int(f.Fd()))
}

// log is what a commit makes dirty: the write-ahead log of a database. Nothing else needs a sync of ours. SQLite syncs
// the log's header, and with it the directory, before the first commit of an opening; and until a checkpoint, which syncs
// too, the log holds all that was ever written to the database.
type log struct {
	path    string // of the database
	waiting []func(error)
}

// durable makes durable what the log holds.
func (l *log) durable(disk Disk) error { return disk.SyncFile(l.path + "-wal") }

// syncer makes dirty logs durable, a round at a time. A round takes all that are dirty when it begins.
type syncer struct {
	disk   Disk
	noSync bool

	mu     sync.Mutex
	dirty  []*log
	failed error
	closed bool
	busy   bool
	wake   chan struct{}
	done   chan struct{}
}

// width is how many logs are synced at once: a file system commits concurrent syncs together.
const width = 8

func newSyncer(disk Disk, noSync bool) *syncer {
	s := &syncer{disk: disk, noSync: noSync, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// add has report called, on the syncer's goroutine, once all that l holds now is durable.
func (s *syncer) add(l *log, report func(error)) {
	if s.noSync {
		report(nil)
		return
	}
	s.mu.Lock()
	if s.failed != nil || s.closed {
		err := s.failed
		s.mu.Unlock()
		if err == nil {
			err = errors.New("storage: closed")
		}
		report(err)
		return
	}
	if len(l.waiting) == 0 {
		s.dirty = append(s.dirty, l)
	}
	l.waiting = append(l.waiting, report)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

type round struct {
	l       *log
	reports []func(error)
}

func (s *syncer) run() {
	defer close(s.done)
	for {
		<-s.wake
		for {
			s.mu.Lock()
			work := make([]round, len(s.dirty))
			for i, l := range s.dirty {
				work[i] = round{l, l.waiting}
				l.waiting = nil
			}
			s.dirty = s.dirty[:0]
			s.busy = len(work) > 0
			closed := s.closed
			s.mu.Unlock()
			if len(work) == 0 {
				if closed {
					return
				}
				break
			}
			s.sync(work)
		}
	}
}

func (s *syncer) sync(work []round) {
	if len(work) == 1 {
		s.one(work[0])
		return
	}
	var wg sync.WaitGroup
	next := make(chan round)
	for range min(width, len(work)) {
		wg.Go(func() {
			for r := range next {
				s.one(r)
			}
		})
	}
	for _, r := range work {
		next <- r
	}
	close(next)
	wg.Wait()
}

func (s *syncer) one(r round) {
	s.mu.Lock()
	err := s.failed
	s.mu.Unlock()
	if err == nil {
		err = r.l.durable(s.disk)
	}
	if err != nil {
		err = s.fail(err)
	}
	for _, report := range r.reports {
		report(err)
	}
}

// fail ends the store: what a failed sync was to make durable may be gone, and a second sync would not tell.
func (s *syncer) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("storage: the disk failed to make a write durable: %w", err)
	}
	return s.failed
}

func (s *syncer) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty) == 0 && !s.busy
}

func (s *syncer) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	<-s.done
}
