package storage

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Stored is a database of an object, as the directory has it.
type Stored struct {
	ID      string
	Bytes   int64     // on disk, its log included; 0 while it is only in the journal
	Changed time.Time // zero while it is only in the journal
}

// walkChunk is how many names of a directory are in memory at once.
const walkChunk = 1024

// Walk gives the databases of a namespace's objects, in no order, without opening any. One that is made or removed meanwhile
// may come or not; none comes twice. It may be called from any goroutine.
func (s *Store) Walk(uniqueKey string) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		dir := filepath.Join(s.dir, uniqueKey)
		open := s.open(dir)
		for id := range open {
			if there, err := s.exists(filepath.Join(dir, id+".sqlite")); err != nil || there {
				if !yield(stored(dir, id), err) || err != nil {
					return
				}
			}
		}
		f, err := os.Open(dir)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Stored{}, fmt.Errorf("storage: %w", err))
			return
		}
		defer f.Close()
		for err == nil {
			var entries []os.DirEntry
			entries, err = f.ReadDir(walkChunk)
			for _, e := range entries {
				id, ok := strings.CutSuffix(e.Name(), ".sqlite")
				if ok && isObject(id) && !open[id] && !yield(stored(dir, id), nil) {
					return
				}
			}
		}
		if err != io.EOF {
			yield(Stored{}, fmt.Errorf("storage: %w", err))
		}
	}
}

// open are the objects of a directory whose databases may not be files yet.
func (s *Store) open(dir string) map[string]bool {
	ids := map[string]bool{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.logs {
		if id := strings.TrimSuffix(filepath.Base(path), ".sqlite"); filepath.Dir(path) == dir && isObject(id) {
			ids[id] = true
		}
	}
	return ids
}

func stored(dir, id string) Stored {
	o := Stored{ID: id}
	for _, name := range []string{id + ".sqlite", id + ".sqlite-wal"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			o.Bytes += info.Size()
			if info.ModTime().After(o.Changed) {
				o.Changed = info.ModTime()
			}
		}
	}
	return o
}
