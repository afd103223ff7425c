package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// The table of a namespace's alarms holds nothing that the objects do not have themselves, except names. One that cannot be
// read is set aside, and made again from them; until that is done its file has a name that says so.

const (
	damaged  = ".damaged"  // to be made again
	replaced = ".replaced" // has been
)

// SetAside moves a table away that is damaged, as err says of it, and tells whether it is to be made again: also if a
// process before has not come to the end of that. Call it before anything is written.
func (a *Alarms) SetAside(err error) (again bool, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if isDamaged(err) {
		if err := a.d.Close(); err != nil {
			return false, err
		}
		a.d = a.d.store.database(filepath.Base(filepath.Dir(a.d.path)), "metadata")
		if err := a.rename("", damaged); err != nil {
			return false, err
		}
		if err := os.Remove(a.d.path + "-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	return exists(a.d.path + damaged)
}

// MadeAgain says that the table is whole again, and durable.
func (a *Alarms) MadeAgain() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rename(damaged, replaced)
}

func (a *Alarms) rename(from, to string) error {
	if err := os.Rename(a.d.path+from, a.d.path+to); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if a.d.store.noSync {
		return nil
	}
	if err := a.d.store.disk.SyncDir(filepath.Dir(a.d.path)); err != nil {
		return a.d.store.durable.fail(err)
	}
	return nil
}

// isDamaged tells whether a file is not a database, or one that is not whole.
func isDamaged(err error) bool {
	for _, code := range []sqlite3.ErrorCode{sqlite3.NOTADB, sqlite3.CORRUPT} {
		var e *Error
		if errors.Is(err, code) || errors.As(err, &e) && sqlite3.ErrorCode(e.extended) == code {
			return true
		}
	}
	return false
}

// Objects are the ids of a namespace's objects that have a database.
func (s *Store) Objects(uniqueKey string) (ids []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, uniqueKey))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("storage: %w", err)
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".sqlite"); ok && isObject(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
