package storage

import (
	"bytes"
	"container/list"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"
	"github.com/ncruces/go-sqlite3/vfs"
)

// Database is one object's SQLite database. It is opened when first used; an object that stores nothing has no file.
type Database struct {
	store *Store
	path  string
	conn  *sqlite3.Conn
	cache map[cacheKey]*statement

	private    bool
	writing    bool   // the implicit transaction is open
	confirmed  bool   // it has a write that must be confirmed
	loose      bool   // writes need not be
	savepoints []bool // confirmed as it was before each
	hasKV      bool
	hasMeta    bool
	trusted    bool // our own statements may touch what an object's may not
	advice     bool // the authorizer refused a transaction statement
	missing    bool // the authorizer refused a function that the platform does not have
	altering   bool // the statement that is being prepared alters a table
	looking    bool // it looks into a table
	readOnly   bool // for as long as Look runs
	broken     error
	limit      *workLimit
	ruined     bool        // the connection must not be called
	files      [2]vfs.File // of the connection: the database and its log

	cursors int   // that are open
	pages   int   // of the log, at the last commit
	tried   int   // of the log, when its last checkpoint was asked for
	lent    *hold // the checkpointer has the connection

	cached  *Cache // that may close it, or nil
	place   *list.Element
	session bool // the connection has settings of the object
}

// maxCached bounds the statement cache; past it the cache starts anew.
const maxCached = 256

// Database is the database of an object. Nothing is opened yet.
func (s *Store) Database(uniqueKey, id string) *Database { return s.database(uniqueKey, id) }

// Private is a database of the host itself: an object's limits do not hold there.
func (s *Store) Private(dir, name string) *Database {
	d := s.database(dir, name)
	d.private = true
	return d
}

func (s *Store) database(uniqueKey, name string) *Database {
	return &Database{store: s, path: filepath.Join(s.dir, uniqueKey, name+".sqlite"), limit: newWorkLimit(s.cpuLimit)}
}

// File is the path of the database.
func (d *Database) File() string { return d.path }

// Exists tells whether the database has a file.
func (d *Database) Exists() bool {
	if d.conn != nil {
		return true
	}
	there, err := d.store.exists(d.path)
	return there && err == nil
}

func (d *Database) connect() error {
	if d.broken != nil {
		return d.broken
	}
	if d.conn != nil && d.lent == nil {
		if d.cached != nil {
			d.cached.use(d)
		}
		return nil
	}
	d.store.checkpoints.claim(d.path)
	d.lent = nil
	if d.conn != nil {
		return nil
	}
	if err := d.prepare(); err != nil {
		return err
	}
	conn, err := d.store.connect(d.path)
	if err != nil {
		return fmt.Errorf("storage: open %s: %w", filepath.Base(d.path), err)
	}
	d.conn = conn
	d.cache = map[cacheKey]*statement{}
	err = errors.Join(fts5.Register(conn), rtree.Register(conn), conn.Exec(`PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON`))
	conn.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error { // in place of SQLite's own checkpoint
		if d.pages = pages; pages < d.tried {
			d.tried = 0
		}
		return nil
	})
	if !d.private {
		for limit, value := range limits {
			conn.Limit(limit, value)
		}
		for _, name := range foreignModules {
			err = errors.Join(err, sqlite3.CreateModule[sqlite3.VTab](conn, name, nil, nil)) //lint:ignore SA1019 the method needs Go 1.27
		}
	}
	// The platform takes "double quotes" around strings.
	for _, option := range []sqlite3.DBConfig{sqlite3.DBCONFIG_DEFENSIVE, sqlite3.DBCONFIG_DQS_DML, sqlite3.DBCONFIG_DQS_DDL, sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE} {
		if _, e := conn.Config(option, true); e != nil {
			err = errors.Join(err, e)
		}
	}
	conn.SetInterrupt(d.limit)
	err = errors.Join(err, d.keepFiles(conn))
	err = errors.Join(err, conn.SetAuthorizer(d.authorize))
	if err != nil {
		d.conn = nil
		return errors.Join(fmt.Errorf("storage: open %s: %w", filepath.Base(d.path), err), conn.Close())
	}
	d.store.opened.Add(1)
	if d.cached != nil {
		d.cached.use(d)
	}
	return nil
}

// connect opens a file, for this process alone.
func (s *Store) connect(path string) (*sqlite3.Conn, error) {
	synchronous := "NORMAL" // SQLite syncs at a checkpoint
	if s.noSync {
		synchronous = "OFF"
	}
	path = (&url.URL{Path: path}).EscapedPath()
	return sqlite3.OpenFlags("file:"+path+"?vfs="+s.durable.layer()+"&_pragma=locking_mode(exclusive)&_pragma=synchronous("+synchronous+")",
		sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
}

// prepare makes the file if there is none.
func (d *Database) prepare() error {
	if err := d.store.makeDir(filepath.Dir(d.path)); err != nil {
		return err
	}
	made, err := d.store.isMade(d.path)
	if err == nil && !made {
		err = d.store.durable.create(d.path)
	}
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.store.logs[d.path] = true
	return nil
}

// isMade tells whether the database has been made. Power loss may leave a file whose one page was never written: that one
// has not.
func (s *Store) isMade(path string) (bool, error) {
	if s.durable.young(path) {
		return true, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(template)+1)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	return n > len(template) || bytes.HasPrefix(head[:n], template[:16]), nil
}

// template is an empty database of one page in WAL mode: writing it costs less than having SQLite make it.
//
//go:embed template.sqlite
var template []byte

// Close closes the files, without a checkpoint and without waiting for the disk. What was not committed is rolled back;
// cursors end.
func (d *Database) Close() error {
	if d.conn == nil {
		return nil
	}
	if d.writing && !d.ruined {
		_ = d.Rollback()
	}
	if d.cached != nil {
		d.cached.drop(d)
	}
	conn := d.conn
	d.conn, d.cache, d.hasKV, d.hasMeta, d.session, d.cursors, d.pages, d.tried = nil, nil, false, false, false, 0, 0, 0
	lent := d.lent
	d.lent = nil
	if lent != nil && d.store.checkpoints.leave(lent) {
		return nil
	}
	d.store.opened.Add(-1)
	if d.ruined {
		return d.abandon()
	}
	d.files = [2]vfs.File{}
	return contained(func() error { return closeConn(conn) })
}

// closeConn closes a connection with its statements.
func closeConn(conn *sqlite3.Conn) error {
	for _, s := range slices.Collect(conn.Stmts()) {
		_ = s.Close()
	}
	return conn.Close()
}

// begin opens the implicit transaction before a write.
func (d *Database) begin() error {
	if d.writing {
		return nil
	}
	if err := d.own(`BEGIN`); err != nil {
		return err
	}
	d.writing = true
	return nil
}

// Writing tells whether there are writes that are not committed.
func (d *Database) Writing() bool { return d.writing }

// Confirmed tells whether one of them must be confirmed: all must, but those made in Unconfirmed.
func (d *Database) Confirmed() bool { return d.confirmed }

// Unconfirmed runs f, whose writes need not be durable before others learn what follows from them.
func (d *Database) Unconfirmed(f func() error) error {
	d.loose = true
	defer func() { d.loose = false }()
	return f()
}

// Broken is the error that the database did not survive, or nil: every operation fails with it.
func (d *Database) Broken() error { return d.broken }

// Commit ends the implicit transaction, if one is open, and has report called from another goroutine once it is
// durable, or at once if the store does not sync. committed is false if there was nothing to commit; then report is not called.
func (d *Database) Commit(report func(error)) (committed bool, err error) {
	if !d.writing || len(d.savepoints) > 0 {
		return false, nil
	}
	if err := d.own(`COMMIT`); err != nil {
		_ = d.Rollback()
		var e *Error
		if errors.As(err, &e) && e.extended == sqlite3.CONSTRAINT_FOREIGNKEY {
			err = &Error{Message: "Durable Object was reset and rolled back to its last known good state because the application left the database in a state where constraints were violated: " + e.Message}
		}
		d.broken = err
		return false, err
	}
	d.writing, d.confirmed = false, false
	d.store.unreported.Add(1)
	began := time.Now()
	d.store.durable.committed(d.path, func(err error) {
		d.store.counts.Commits.Observe(time.Since(began))
		report(err)
		d.store.unreported.Add(-1)
	})
	return true, nil
}

// Rollback undoes what was not committed.
func (d *Database) Rollback() error {
	if !d.writing {
		return nil
	}
	d.writing, d.confirmed, d.savepoints, d.hasKV, d.hasMeta = false, false, nil, false, false
	return d.own(`ROLLBACK`)
}

// Savepoint begins a transaction within the implicit one.
func (d *Database) Savepoint() error {
	if err := d.connect(); err != nil {
		return err
	}
	if err := d.begin(); err != nil {
		return err
	}
	d.savepoints = append(d.savepoints, d.confirmed)
	return d.own(fmt.Sprintf(`SAVEPOINT _cf_savepoint_%d`, len(d.savepoints)))
}

// Release ends the innermost savepoint, and undoes what was done since if rollback is set.
func (d *Database) Release(rollback bool) error {
	last := len(d.savepoints) - 1
	name := fmt.Sprintf(`_cf_savepoint_%d`, last+1)
	confirmed := d.savepoints[last]
	d.savepoints = d.savepoints[:last]
	if rollback {
		d.confirmed, d.hasKV, d.hasMeta = confirmed, false, false
		if err := d.own(`ROLLBACK TO ` + name); err != nil {
			return err
		}
	}
	return d.own(`RELEASE ` + name)
}

// Savepoints is how deeply transactions are nested.
func (d *Database) Savepoints() int { return len(d.savepoints) }

// own runs a statement of ours, without the rules for an object's statements.
func (d *Database) own(query string) error {
	c, err := d.query(query, nil, true)
	if err != nil {
		return err
	}
	for c.Next() {
	}
	return c.Close()
}

// Size is the size of the database in bytes, without free pages.
func (d *Database) Size() (int64, error) {
	if !d.Exists() {
		return 4096, nil
	}
	pages, err := d.number(`PRAGMA page_count`)
	if err != nil {
		return 0, err
	}
	free, err := d.number(`PRAGMA freelist_count`)
	return int64(pages-free) * 4096, err
}

func (d *Database) number(query string) (float64, error) {
	c, err := d.query(query, nil, true)
	if err != nil {
		return 0, err
	}
	var n float64
	if c.Next() {
		n = c.Value(0).Float
	}
	return n, c.Close()
}

// DeleteAll removes everything that the database holds.
func (d *Database) DeleteAll() error {
	if err := d.connect(); err != nil {
		return err
	}
	if len(d.savepoints) > 0 {
		return &Error{Message: "Cannot call deleteAll() within a transaction"}
	}
	if err := d.begin(); err != nil {
		return err
	}
	c, err := d.query(`SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND type IN ('table', 'view') ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC`, nil, true)
	if err != nil {
		return err
	}
	var drops []string
	for c.Next() {
		drops = append(drops, fmt.Sprintf(`DROP %s IF EXISTS "%s"`, c.Value(0).Bytes, strings.ReplaceAll(string(c.Value(1).Bytes), `"`, `""`)))
	}
	if err := c.Close(); err != nil {
		return err
	}
	d.hasKV, d.hasMeta = false, false
	// In whatever order the tables go, at the commit there are no references left.
	if err := d.own(`PRAGMA defer_foreign_keys = ON`); err != nil {
		return err
	}
	for _, q := range drops {
		if err := d.own(q); err != nil {
			return err
		}
	}
	return nil
}
