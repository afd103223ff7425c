package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"
)

// A database is restored by one transaction, which writes all pages of the file: so it is in the log and in the journal
// as any other, and whatever happens meanwhile there is afterwards all of the file or all of what was there before.

// Backup is a file that Restore may take.
type Backup struct {
	File  string
	Alarm *time.Time // that is set in it
}

// CheckBackup reads a file, which may take long, and says whether an object could have written it. It waits for no loop.
func CheckBackup(file string) (*Backup, error) {
	alarm, err := checkDatabase(file)
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot restore %s: %w", file, err)
	}
	return &Backup{file, alarm}, nil
}

// Restore replaces all that the database holds, elsewhere. Call it for a database that is Ready. done is called from
// another goroutine when what was restored is durable, or nothing has changed.
func (d *Database) Restore(b *Backup, done func(error)) {
	d.lent = d.store.checkpoints.lend(d.path, d.conn, func(conn *sqlite3.Conn) error {
		err := conn.Restore("main", asItIs(b.File))
		if err == nil {
			err = d.store.waitDurable(d.path)
		}
		if err == nil && !d.store.checkpoints.isFrozen(d.path) { // a backup of the earlier state may still be copied
			if e := checkpoint(conn); failedSync(e) { // the log has it all in any case
				err = e
			}
		}
		return err
	}, func(err error) {
		if err != nil {
			err = fmt.Errorf("cannot restore %s: %w", b.File, err)
		}
		done(err)
	})
}

// waitDurable waits until all that a database holds is durable.
func (s *Store) waitDurable(path string) error {
	s.unreported.Add(1)
	defer s.unreported.Add(-1)
	durable := make(chan error, 1)
	s.durable.committed(path, func(err error) { durable <- err })
	return <-durable
}

// asItIs is the URI of a file that nobody writes to.
func asItIs(file string) string {
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?vfs=os&mode=ro&immutable=1"
}

// errNotBackup is the way out of most of what can be wrong with a file.
var errNotBackup = errors.New("name a file that durago backup has written, or an object's database that was closed")

// checkDatabase tells whether a file is a whole database that an object could have, and when its alarm is.
func checkDatabase(file string) (alarm *time.Time, err error) {
	if err := checkHeader(file); err != nil {
		return nil, err
	}
	err = inspect(file, func(conn *sqlite3.Conn) error {
		if err := checkPages(conn); err != nil {
			return fmt.Errorf("%w: take another copy", err)
		}
		for _, check := range []func(*sqlite3.Conn) error{checkReserved, checkModules} {
			if err := check(conn); err != nil {
				return err
			}
		}
		alarm, err = readAlarm(conn)
		return err
	})
	return alarm, err
}

// inspect opens a file to read it, and trusts nothing that its schema calls.
func inspect(file string, f func(*sqlite3.Conn) error) error {
	conn, err := sqlite3.OpenFlags(asItIs(file), sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errNotBackup)
	}
	if err = errors.Join(fts5.Register(conn), rtree.Register(conn), conn.Exec(`PRAGMA trusted_schema=OFF`)); err == nil {
		err = f(conn)
	}
	return errors.Join(err, closeConn(conn))
}

const headerSize = 100

// checkHeader looks at what can be told without SQLite. https://www.sqlite.org/fileformat2.html#the_database_header
func checkHeader(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errNotBackup)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var head [headerSize]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || !bytes.HasPrefix(head[:], template[:16]) {
		return fmt.Errorf("it is not a SQLite database: %w", errNotBackup)
	}
	pageSize, pages := int64(binary.BigEndian.Uint16(head[16:])), int64(binary.BigEndian.Uint32(head[28:]))
	if encoding := binary.BigEndian.Uint32(head[56:]); encoding > 1 { // 0 is a database that holds nothing
		return errors.New("its text is UTF-16, and an object's is UTF-8: copy its tables into a new database with sqlite3, and restore that")
	}
	if pageSize != 4096 {
		return fmt.Errorf("its pages have %d bytes, and an object's have 4096: run PRAGMA journal_mode=DELETE, PRAGMA page_size=4096 and VACUUM on it with sqlite3", pageSize)
	}
	if info.Size() < pages*pageSize {
		return fmt.Errorf("it is cut short, to %d of %d bytes: take another copy", info.Size(), pages*pageSize)
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if log, err := os.Stat(file + suffix); err == nil && log.Size() > 0 {
			return fmt.Errorf("there is a log beside it, %s, that it is not whole without: stop who uses it, and open and close it with sqlite3", filepath.Base(file)+suffix)
		}
	}
	return nil
}

func checkPages(conn *sqlite3.Conn) error {
	rows, err := column(conn, `PRAGMA quick_check(1)`)
	if err != nil {
		return fmt.Errorf("its pages are damaged: %w", err)
	}
	if len(rows) != 1 || rows[0] != "ok" {
		return fmt.Errorf("its pages are damaged: %s", strings.ReplaceAll(strings.Join(rows, " "), "\n", " "))
	}
	return nil
}

// checkReserved tells an object's database from others of the runtime.
func checkReserved(conn *sqlite3.Conn) error {
	names, err := column(conn, `SELECT name FROM sqlite_schema WHERE name LIKE '\_cf\_%' ESCAPE '\' AND (type <> 'table' OR name NOT IN ('_cf_KV', '_cf_METADATA'))`)
	if err == nil && len(names) > 0 {
		return fmt.Errorf("it has %s, which no object has: %w", names[0], errNotBackup)
	}
	if err == nil {
		names, err = column(conn, `SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.name IN ('_cf_KV', '_cf_METADATA') AND c.name NOT IN ('key', 'value')`)
	}
	if err == nil && len(names) > 0 {
		return fmt.Errorf("it has %s, which no object has: %w", names[0], errNotBackup)
	}
	return err
}

// checkModules tells whether the virtual tables are ones that an object can use.
func checkModules(conn *sqlite3.Conn) error {
	names, err := column(conn, `SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'`)
	for _, name := range names {
		if err == nil {
			_, err = column(conn, `SELECT 1 FROM `+sqlite3.QuoteIdentifier(name)+` LIMIT 1`)
		}
	}
	if err != nil {
		return fmt.Errorf("an object cannot use it: %w: remove that table with sqlite3, and restore the rest", err)
	}
	return nil
}

func readAlarm(conn *sqlite3.Conn) (*time.Time, error) {
	tables, err := column(conn, `SELECT name FROM sqlite_schema WHERE name = '_cf_METADATA'`)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	s, _, err := conn.Prepare(`SELECT value / 1000000 FROM _cf_METADATA WHERE key = 1 AND value IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	var at *time.Time
	if s.Step() {
		t := time.UnixMilli(s.ColumnInt64(0))
		at = &t
	}
	return at, errors.Join(s.Err(), s.Close())
}

// column reads the first column of a result as text.
func column(conn *sqlite3.Conn, query string) ([]string, error) {
	s, _, err := conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	var out []string
	for s.Step() {
		out = append(out, s.ColumnText(0))
	}
	return out, errors.Join(s.Err(), s.Close())
}
