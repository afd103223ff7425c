package storage

import "container/list"

// Cache bounds how many databases of one loop are open. One that is closed is opened again by its next statement; the one
// that was used least recently goes first. A database stays open while it has a cursor, a transaction, a checkpoint, or
// writes that are not committed, and, because the connection knows them, if its object has set a pragma.
//
// A Cache belongs to its loop, as its databases do.
type Cache struct {
	store *Store
	most  int
	open  list.List // of *Database, the one that was used last in front
}

// NewCache makes a cache of so many databases.
func (s *Store) NewCache(most int) *Cache { return &Cache{store: s, most: most} }

// Database is the database of an object. Nothing is opened yet.
func (c *Cache) Database(uniqueKey, id string) *Database {
	d := c.store.Database(uniqueKey, id)
	d.cached = c
	return d
}

// tries is how many databases that have something under way are passed over in search of one to close.
const tries = 64

// use notes that a database is open, and closes others if there are too many.
func (c *Cache) use(d *Database) {
	if d.place != nil {
		c.open.MoveToFront(d.place)
		return
	}
	d.place = c.open.PushFront(d)
	e := c.open.Back()
	for n := 0; n < tries && e != d.place && c.open.Len() > c.most; n++ {
		other := e.Value.(*Database)
		e = e.Prev()
		if other.resting() && !other.session {
			_ = other.Close() // nothing is lost: all is committed
		}
	}
}

// drop notes that a database has been closed.
func (c *Cache) drop(d *Database) {
	if d.place != nil {
		c.open.Remove(d.place)
		d.place = nil
	}
}
