package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// A directory without our marker is taken if it is workerd's: then the databases in it are what our own would be. To be
// it, it must hold folders of databases and nothing else; one name that is not workerd's, or one file that is no
// database, and it is somebody else's. One with facets is refused: https://developers.cloudflare.com/dynamic-workers/usage/durable-object-facets/.

// objectFile are the names of what workerd keeps in the folder of a namespace: a database for each object and each facet of it,
// with the logs that a workerd which was killed has left, the index of its facets, and the alarms.
var objectFile = regexp.MustCompile(`^(?:(?:[0-9a-f]{64}(?:\.[0-9]+)?|metadata)\.sqlite(?:-wal|-shm)?|[0-9a-f]{64}\.facets)$`)

// ofWorkerd tells whether a directory is one that workerd has made.
func ofWorkerd(dir string, entries []os.DirEntry) (bool, error) {
	databases := 0
	for _, e := range entries {
		if !e.IsDir() {
			return false, nil
		}
		files, err := os.ReadDir(filepath.Join(dir, e.Name()))
		if err != nil {
			return false, err
		}
		for _, f := range files {
			if !f.Type().IsRegular() || !objectFile.MatchString(f.Name()) {
				return false, nil
			}
			if filepath.Ext(f.Name()) == ".facets" {
				return false, fmt.Errorf("it holds facets of an object (%s), which durago does not run yet, and would leave behind", filepath.Join(e.Name(), f.Name()))
			}
			if filepath.Ext(f.Name()) != ".sqlite" {
				continue
			}
			if ok, err := isDatabase(filepath.Join(dir, e.Name(), f.Name())); !ok {
				return false, err
			}
			databases++
		}
	}
	return databases > 0, nil
}

// isDatabase tells whether a file begins as SQLite's do.
func isDatabase(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 16)
	if _, err := io.ReadFull(f, head); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return false, err
	}
	return bytes.Equal(head, template[:16]), nil
}

// checkIdle fails if a workerd runs on the directory: it has the alarms of each of its namespaces open.
func (s *Store) checkIdle(entries []os.DirEntry) error {
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		a := s.Alarms(e.Name())
		_, err := a.Load()
		if err = errors.Join(err, a.Close()); isBusy(err) {
			return fmt.Errorf("%s: %w", s.dir, ErrInUse)
		}
		if err != nil {
			return fmt.Errorf("the data directory's alarms: %w: choose another with --persist-to", err)
		}
	}
	return nil
}
