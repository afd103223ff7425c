package storage

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// SQLite is C that was compiled to WebAssembly and then to Go. It has a memory and a stack of its own: a statement that
// exhausts the stack, of which a few are known (hostile_test.go), or any other mistake of its ends in a panic of Go, never
// in memory that is somebody else's. Its object is reset. The connection cannot be called any more, not even to close it:
// what is left is to close its files, so that the next one may lock them. Its memory is lost, about a megabyte.

// contain makes a panic under SQLite an error that the database does not survive.
func (d *Database) contain(err *error) {
	r := recover()
	if r == nil {
		return
	}
	d.ruined = true
	d.broken = &Error{Critical: true, Message: fmt.Sprintf("SQLite failed: %v: SQLITE_INTERNAL", r)}
	*err = d.broken
}

// contained is contain for a connection without a Database.
func contained(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("storage: SQLite failed: %v", r)
		}
	}()
	return f()
}

// keepFiles keeps what is to be closed if the connection is ruined.
func (d *Database) keepFiles(conn *sqlite3.Conn) error {
	for i, op := range []sqlite3.FcntlOpcode{sqlite3.FCNTL_FILE_POINTER, sqlite3.FCNTL_JOURNAL_POINTER} {
		f, err := conn.FileControl("main", op)
		if err != nil {
			return err
		}
		d.files[i], _ = f.(vfs.File)
	}
	return nil
}

// abandon closes the files of a connection that is ruined.
func (d *Database) abandon() (err error) {
	for i, f := range d.files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		d.files[i] = nil
	}
	return err
}
