package storage

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ncruces/go-sqlite3"
)

// A checkpoint copies a log into its database, and waits for the disk twice. So no loop does it:
//
//   - When the log of an open database has become long, its loop lends the connection (Database.Checkpoint). Meanwhile no
//     statement runs, and the engine delivers no event to the object.
//   - A database is closed without a checkpoint. Its log is copied and removed later (Database.Retire), over another
//     connection; a database that holds nothing is removed with it. Who opens it first has it back at once; who comes in the
//     middle waits, or asks before (Database.Free).

// checkpointer does it. Objects wait for connections that were lent: several of these are served at once, because a file
// system commits concurrent syncs together. Nobody waits for a database that is closed: there is one at a time, so that a
// thousand objects that leave memory together take neither the processor nor the disk from the others, until the end,
// when there are no others.
type checkpointer struct {
	store *Store

	mu     sync.Mutex
	held   map[string]*hold    // by path
	frozen map[string][]func() // that are being copied: none of these is changed; and who waits for the end of that
	lent   line
	closed line
	done   sync.WaitGroup
}

// line is who waits, and how many are served at once.
type line struct {
	queue          []*hold
	running, width int
}

// hold is a database that the checkpointer has, or will have.
type hold struct {
	path   string
	conn   *sqlite3.Conn // that was lent, or nil
	begun  bool
	closed bool // the lender does not want it back
	after  []func()
	done   chan struct{}
}

func newCheckpointer(s *Store) *checkpointer {
	return &checkpointer{store: s, held: map[string]*hold{}, frozen: map[string][]func(){}, lent: line{width: width}, closed: line{width: 1}}
}

// add has a database checkpointed, and then calls after. conn is nil for one that is closed.
func (c *checkpointer) add(path string, conn *sqlite3.Conn, after ...func()) *hold {
	h := &hold{path: path, conn: conn, after: after, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.held[path]; other != nil {
		other.after = append(other.after, after...)
		return other
	}
	c.held[path] = h
	l := &c.closed
	if conn != nil {
		l = &c.lent
	}
	l.queue = append(l.queue, h)
	c.serve(l)
	return h
}

// serve has a line served, by as many as it may be.
func (c *checkpointer) serve(l *line) {
	if l.running < l.width && len(l.queue) > 0 {
		l.running++
		c.done.Go(func() { c.work(l) })
	}
}

func (c *checkpointer) work(l *line) {
	for {
		c.mu.Lock()
		i := slices.IndexFunc(l.queue, func(h *hold) bool {
			_, frozen := c.frozen[h.path]
			return !frozen
		})
		if i < 0 {
			l.running--
			c.mu.Unlock()
			return
		}
		h := l.queue[i]
		l.queue[i] = l.queue[0]
		l.queue = l.queue[1:]
		h.begun = true
		c.mu.Unlock()
		c.do(h)
	}
}

func (c *checkpointer) do(h *hold) {
	var err error
	if h.conn != nil {
		err = contained(func() error { return checkpoint(h.conn) })
	} else {
		err = contained(func() error { return c.store.tidy(h.path) })
	}
	c.finish(h, err)
}

func checkpoint(conn *sqlite3.Conn) error {
	_, _, err := conn.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	return err
}

// finish gives a database back.
func (c *checkpointer) finish(h *hold, err error) {
	if failedSync(err) {
		_ = c.store.durable.fail(err)
	} // else the log stays as it is, and is copied another time
	c.mu.Lock()
	if h.closed {
		c.mu.Unlock()
		_ = contained(func() error { return closeConn(h.conn) })
		c.store.opened.Add(-1)
		c.mu.Lock()
	}
	after := c.letGo(h)
	c.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (c *checkpointer) letGo(h *hold) (after []func()) {
	delete(c.held, h.path)
	close(h.done)
	after, h.after = h.after, nil
	return after
}

// claim takes a database back, and waits if its checkpoint has begun.
func (c *checkpointer) claim(path string) {
	c.mu.Lock()
	h := c.held[path]
	if h == nil {
		c.mu.Unlock()
		return
	}
	if h.begun {
		c.mu.Unlock()
		<-h.done
		return
	}
	after := c.takeBack(h)
	c.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// takeBack is letGo of a database whose checkpoint has not begun.
func (c *checkpointer) takeBack(h *hold) (after []func()) {
	for _, l := range []*line{&c.lent, &c.closed} {
		if i := slices.Index(l.queue, h); i >= 0 {
			l.queue = slices.Delete(l.queue, i, i+1)
		}
	}
	return c.letGo(h)
}

// free is claim for somebody who will not wait: it tells whether the database has been taken back; if not, f is called when it
// can be. A checkpoint that has not begun does not begin then.
func (c *checkpointer) free(path string, f func()) bool {
	c.mu.Lock()
	h := c.held[path]
	if h != nil && h.begun {
		h.after = append(h.after, f)
		c.mu.Unlock()
		return false
	}
	var after []func()
	if h != nil {
		after = c.takeBack(h)
	}
	c.mu.Unlock()
	for _, f := range after {
		f()
	}
	return true
}

// over has f called when nothing of a database is under way here.
func (c *checkpointer) over(path string, f func()) {
	c.mu.Lock()
	if h := c.held[path]; h != nil {
		h.after = append(h.after, f)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	f()
}

// leave gives a connection that was lent to the checkpointer for good, if its checkpoint has begun. ok is false if the
// connection is the caller's.
func (c *checkpointer) leave(h *hold) (ok bool) {
	c.mu.Lock()
	if c.held[h.path] == h && h.begun {
		h.closed = true
		c.mu.Unlock()
		return true
	}
	var after []func()
	if c.held[h.path] == h {
		after = c.takeBack(h)
	}
	c.mu.Unlock()
	for _, f := range after {
		f()
	}
	return false
}

// idle tells whether there is nothing to do.
func (c *checkpointer) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) == 0 && len(c.frozen) == 0
}

// tidy copies the log of a database that is closed, and removes it; and the database too if that holds nothing.
func (s *Store) tidy(path string) error {
	ok, err := s.isMade(path)
	if err == nil && !ok { // power loss has left the log, which has all of it
		err = s.durable.create(path)
	}
	if err != nil {
		return err
	}
	something, err := s.copyLog(path)
	if err == nil && !something {
		err = s.durable.remove(path)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logs, path)
	return nil
}

// copyLog copies and removes the log, and tells whether the database holds something.
func (s *Store) copyLog(path string) (something bool, err error) {
	conn, err := s.connect(path)
	if err != nil {
		return false, err
	}
	something, err = holdsSomething(conn)
	if err = errors.Join(err, conn.Close()); err != nil { // which copies the log
		return false, err
	}
	left, err := s.exists(path + "-wal")
	if left {
		err = fmt.Errorf("storage: the log of %s was not copied", path)
	}
	return something, err
}

func holdsSomething(conn *sqlite3.Conn) (bool, error) {
	s, _, err := conn.Prepare(`SELECT 1 FROM sqlite_schema LIMIT 1`)
	if err != nil {
		return false, err
	}
	something := s.Step()
	return something, s.Close()
}

// sweep does what is left at the end.
func (c *checkpointer) sweep() {
	c.mu.Lock()
	c.closed.width = width
	c.mu.Unlock()
	c.done.Wait() // for connections that were lent, and closed since
	c.store.mu.Lock()
	var paths []string
	for path := range c.store.logs {
		paths = append(paths, path)
	}
	c.store.mu.Unlock()
	slices.Sort(paths)
	for _, path := range paths {
		c.add(path, nil)
	}
	c.done.Wait()
}

// Due tells whether the log has become so long that Checkpoint is to be called, between two turns: of an object with
// nothing under way sooner than of another, because a statement would wait for it.
func (d *Database) Due(idle bool) bool {
	at := d.store.logPages
	if !idle {
		at *= 4
	}
	return d.conn != nil && d.pages >= d.tried+at && d.resting() && !d.store.checkpoints.isFrozen(d.path)
}

// resting tells whether the connection has nothing under way.
func (d *Database) resting() bool {
	if d.lent != nil {
		select {
		case <-d.lent.done:
			d.lent = nil
		default:
			return false
		}
	}
	return !d.writing && len(d.savepoints) == 0 && d.cursors == 0
}

// Checkpoint has the log of a database that is due copied, elsewhere, and then calls done from another goroutine. What is
// asked of the database meanwhile waits, except Close.
func (d *Database) Checkpoint(done func()) {
	d.tried = d.pages
	d.lent = d.store.checkpoints.add(d.path, d.conn, done)
}

// Free has a statement run at once, until the database is closed or a checkpoint is asked for. If that cannot be, because one has
// begun, it is false and f is called from another goroutine when it can.
func (d *Database) Free(f func()) bool { return d.store.checkpoints.free(d.path, f) }

// Retire closes the database, and has its log copied and removed. Call it when everything is durable that was committed
// here, and in other databases together with it: the log is the trace that something may be missing there (Interrupted).
func (d *Database) Retire() error {
	err := d.Close()
	d.store.mu.Lock()
	used := d.store.logs[d.path]
	d.store.mu.Unlock()
	if used {
		d.store.checkpoints.add(d.path, nil)
	}
	return err
}

// Tidied has f called when the checkpoint of a database that has been retired is over, or has been overtaken by somebody who opens
// it; at once if there is none. It may be called from another goroutine.
func (d *Database) Tidied(f func()) { d.store.checkpoints.over(d.path, f) }

// failedSync tells whether an error of SQLite is that of a sync.
func failedSync(err error) bool {
	return errors.Is(err, sqlite3.IOERR_FSYNC) || errors.Is(err, sqlite3.IOERR_DIR_FSYNC)
}
