package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"durago.example/host/storage/journal"
)

// What another process has left is made durable before anybody reads it: who reads may act on it.

// processLived is what the marker says from the moment that a store is open which does not sync.
const processLived = "process\n"

// recover puts the directory in order, and begins to make commits durable, before any database is opened.
func (s *Store) recover(o Options) (durability, error) {
	found, err := exists(filepath.Join(s.dir, journal.Directory))
	if err != nil {
		return nil, err
	}
	if !found && !o.NoSync { // a journal does it with its own recovery
		if err := s.settle(); err != nil {
			return nil, err
		}
	}
	if found || !o.NoSync && !o.SyncLogs {
		j, err := s.openJournal(o)
		if err != nil {
			return nil, err
		}
		if !o.NoSync && !o.SyncLogs {
			return journaled{j}, nil
		}
		if err := j.Close(); err != nil { // there was one, and no more
			return nil, err
		}
	}
	if o.NoSync {
		return process{o.VFS, o.Disk}, os.WriteFile(s.lock.Name(), []byte(processLived), 0o644)
	}
	return newSyncer(o.Disk, o.VFS, s.failWith), nil
}

func (s *Store) openJournal(o Options) (*journal.Journal, error) {
	j := o.Journal
	j.Root, j.Disk, j.VFS, j.Template, j.Failed = s.dir, o.Disk, o.VFS, template, s.failWith
	return journal.Open(j)
}

// settle makes durable what may be in the page cache alone: the files of a process that did not sync, and the logs of one
// that was killed.
func (s *Store) settle() error {
	said, err := os.ReadFile(s.lock.Name())
	if err != nil {
		return err
	}
	logs, err := s.left()
	if err != nil || len(said) == 0 && len(logs) == 0 {
		return err
	}
	if err := s.disk.SyncAll(s.dir); err != nil {
		return err
	}
	if err := s.lock.Truncate(0); err != nil {
		return err
	}
	return s.disk.SyncFile(s.lock.Name())
}

// left are the databases with a log, by path.
func (s *Store) left() (paths []string, err error) {
	namespaces, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, n := range namespaces {
		if !n.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(s.dir, n.Name()))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if name, ok := strings.CutSuffix(f.Name(), "-wal"); ok && filepath.Ext(name) == ".sqlite" {
				paths = append(paths, filepath.Join(s.dir, n.Name(), name))
			}
		}
	}
	return paths, nil
}

// inherit has the logs that were left copied at the end, but for those of objects: who knows the objects retires them, and
// until then each is the trace of what may be missing elsewhere.
func (s *Store) inherit() error {
	left, err := s.left()
	for _, path := range left {
		if !isObject(strings.TrimSuffix(filepath.Base(path), ".sqlite")) {
			s.logs[path] = true
		}
	}
	return err
}

func isObject(name string) bool { return len(name) == 64 }

// Interrupted are the ids of the objects of a namespace whose databases a process left open when it died.
func (s *Store) Interrupted(uniqueKey string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, uniqueKey))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("storage: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".sqlite-wal"); ok && isObject(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
