package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
)

// syncer makes dirty logs durable, a round at a time. A round takes all that are dirty when it begins.
//
// A commit makes the log of its database dirty, and nothing else needs a sync of the syncer's. SQLite syncs the log's
// header, and with it the directory, before the first commit of an opening; and until a checkpoint, which syncs too, the
// log holds all that was ever written to the database.
type syncer struct {
	disk   Disk
	vfs    string
	onFail func(error)

	mu     sync.Mutex
	dirty  []string                 // databases
	wait   map[string][]func(error) // of each of them
	failed error
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// width is how many logs are synced at once: a file system commits concurrent syncs together.
const width = 8

func newSyncer(disk Disk, vfs string, onFail func(error)) *syncer {
	s := &syncer{disk: disk, vfs: vfs, onFail: onFail, wait: map[string][]func(error){}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *syncer) layer() string            { return s.vfs }
func (*syncer) young(string) bool          { return false }
func (*syncer) spill(string) error         { return nil }
func (s *syncer) create(path string) error { return create(s.disk, path) }

// remove needs no sync of the database: one that comes back holds nothing. A log that comes back without one would be the
// next one's.
func (s *syncer) remove(path string) error {
	if err := s.disk.Remove(path + "-wal"); err != nil {
		return err
	}
	if err := s.disk.SyncDir(filepath.Dir(path)); err != nil {
		return s.fail(err)
	}
	return s.disk.Remove(path)
}

func (s *syncer) committed(path string, report func(error)) {
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
	if s.wait[path] == nil {
		s.dirty = append(s.dirty, path)
	}
	s.wait[path] = append(s.wait[path], report)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

type dirty struct {
	path    string
	reports []func(error)
}

func (s *syncer) run() {
	defer close(s.done)
	for {
		<-s.wake
		for {
			s.mu.Lock()
			work := make([]dirty, len(s.dirty))
			for i, path := range s.dirty {
				work[i] = dirty{path, s.wait[path]}
				delete(s.wait, path)
			}
			s.dirty = s.dirty[:0]
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

func (s *syncer) sync(work []dirty) {
	if len(work) == 1 {
		s.one(work[0])
		return
	}
	var wg sync.WaitGroup
	next := make(chan dirty)
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

func (s *syncer) one(r dirty) {
	s.mu.Lock()
	err := s.failed
	s.mu.Unlock()
	if err == nil {
		err = s.disk.SyncFile(r.path + "-wal")
	}
	if err != nil {
		err = s.fail(err)
	}
	for _, report := range r.reports {
		report(err)
	}
}

func (s *syncer) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("storage: the disk failed to make a write durable: %w", err)
		s.onFail(s.failed)
	}
	return s.failed
}

func (s *syncer) stop() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *syncer) close() error { return nil }
