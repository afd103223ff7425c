package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// A backup is a copy of the database file. Only a checkpoint writes to that file, and only this package makes
// checkpoints: so one is made, as for a long log, and until the file has been copied there is no other. The object goes on
// meanwhile, and its log grows.

// Ready opens the database and tells whether Backup or Restore may be called now; if not, something is under way.
func (d *Database) Ready() (bool, error) {
	if err := d.connect(); err != nil {
		return false, err
	}
	return d.resting(), nil
}

// Still tells whether no other backup copies the file; if not, f is called from another goroutine when it is so.
func (d *Database) Still(f func()) bool { return d.store.checkpoints.still(d.path, f) }

// Backup writes all that is committed to a new file, elsewhere: one plain SQLite file, without a log. Call it between two
// turns, of a database that is Still and Ready. Other goroutines call given when the database may be used again, which is about as
// long as a checkpoint takes, and then done, when the file is there and durable, or nothing is.
func (d *Database) Backup(ctx context.Context, to string, given func(), done func(error)) {
	c := d.store.checkpoints
	c.freeze(d.path)
	d.tried = d.pages
	d.lent = c.lend(d.path, d.conn, checkpoint, func(err error) {
		given()
		if err == nil {
			err = d.store.durable.spill(d.path)
		}
		if err == nil {
			err = copyDatabase(ctx, d.path, to)
		}
		c.thaw(d.path)
		if err != nil {
			err = fmt.Errorf("cannot back up to %s: %w", to, err)
		}
		done(err)
	})
}

// copyDatabase makes a file that comes into being with all that it holds.
func copyDatabase(ctx context.Context, from, to string) (err error) {
	if there, err := exists(to); err != nil || there {
		return errors.Join(err, errors.New("there is a file of that name: remove it, or choose another name"))
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(target.Name())
		}
	}()
	if err = copyAll(ctx, target, source); err == nil {
		_, err = target.WriteAt([]byte{rollbackMode, rollbackMode}, modeOffset)
	}
	if err == nil {
		err = target.Chmod(0o644)
	}
	if err == nil {
		err = target.Sync()
	}
	if err = errors.Join(err, target.Close()); err != nil {
		return err
	}
	if err = inspect(target.Name(), checkPages); err != nil {
		return fmt.Errorf("the object's own database is damaged, restore an earlier backup: %w", err)
	}
	if err = os.Rename(target.Name(), to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// The header of a file says whether it has a log (2) or not (1), for writers and for readers. One that says that it has
// cannot be read where nothing can be written.
const (
	modeOffset   = 18
	rollbackMode = 1
)

// copied is how many bytes are copied before somebody looks whether the copy is still wanted.
const copied = 64 << 20

func copyAll(ctx context.Context, to io.Writer, from io.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := io.CopyN(to, from, copied)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lend has f use a connection elsewhere; nobody takes it back before. after comes when it has been given back.
func (c *checkpointer) lend(path string, conn *sqlite3.Conn, f func(*sqlite3.Conn) error, after func(error)) *hold {
	h := &hold{path: path, conn: conn, begun: true, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[path] = h
	c.done.Go(func() {
		err := contained(func() error { return f(conn) })
		c.finish(h, err)
		after(err)
	})
	return h
}

// freeze keeps the file of a database as it is, but for a checkpoint that has begun, until thaw.
func (c *checkpointer) freeze(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen[path] = nil
}

func (c *checkpointer) isFrozen(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, frozen := c.frozen[path]
	return frozen
}

func (c *checkpointer) still(path string, f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, frozen := c.frozen[path]
	if frozen {
		c.frozen[path] = append(waiting, f)
	}
	return !frozen
}

func (c *checkpointer) thaw(path string) {
	c.mu.Lock()
	waiting := c.frozen[path]
	delete(c.frozen, path)
	c.serve(&c.lent)
	c.serve(&c.closed)
	c.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}
