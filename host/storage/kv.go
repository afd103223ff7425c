package storage

import "durago.example/host/storage/textdecoder"

// Key-value pairs live in _cf_KV, as in workerd, whose statement for it this is to the space: an object can see it in
// sqlite_master. Values are bytes to this package.

const createKV = `CREATE TABLE IF NOT EXISTS _cf_KV (
        key TEXT PRIMARY KEY,
        value BLOB
      ) WITHOUT ROWID`

// Entry is a key and its value.
type Entry struct {
	Key   string
	Value []byte
}

// ListOptions select a range of keys; nil is unset. Limit 0 is none.
type ListOptions struct {
	Prefix, Start, StartAfter, End *string
	Limit                          int
	Reverse                        bool
}

func text(s string) Arg { return Arg{Kind: Text, Bytes: textdecoder.WellFormed([]byte(s))} }

// Get reads a value, a copy.
func (d *Database) Get(key string) (value []byte, ok bool, err error) {
	if ok, err := d.has(&d.hasKV, "_cf_KV"); !ok {
		return nil, false, err
	}
	c, err := d.query(`SELECT value FROM _cf_KV WHERE key = ?`, []Arg{text(key)}, true)
	if err != nil {
		return nil, false, err
	}
	if ok = c.Next(); ok {
		value = append([]byte{}, c.Value(0).Bytes...)
	}
	return value, ok, c.Close()
}

// has tells whether a table of ours exists; known remembers that it does.
func (d *Database) has(known *bool, table string) (bool, error) {
	if *known || !d.Exists() {
		return *known, nil
	}
	c, err := d.query(`SELECT 1 FROM sqlite_master WHERE name = ?`, []Arg{text(table)}, true)
	if err != nil {
		return false, err
	}
	*known = c.Next()
	return *known, c.Close()
}

// ensure makes a table of ours unless it exists.
func (d *Database) ensure(known *bool, create string) error {
	if *known {
		return nil
	}
	if err := d.own(create); err != nil {
		return err
	}
	*known = true
	return nil
}

// Put writes a value.
func (d *Database) Put(key string, value []byte) error {
	if err := d.ensure(&d.hasKV, createKV); err != nil {
		return err
	}
	c, err := d.query(`INSERT INTO _cf_KV VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		[]Arg{text(key), {Kind: Blob, Bytes: value}}, true)
	if err != nil {
		return err
	}
	return c.Close()
}

// Delete removes a value and tells whether there was one. As in workerd it makes the table.
func (d *Database) Delete(key string) (bool, error) {
	if err := d.ensure(&d.hasKV, createKV); err != nil {
		return false, err
	}
	c, err := d.query(`DELETE FROM _cf_KV WHERE key = ?`, []Arg{text(key)}, true)
	if err != nil {
		return false, err
	}
	err = c.Close()
	_, written := c.Counts()
	return written > 0, err
}

// List reads a range of keys in the order of their UTF-8 bytes.
func (d *Database) List(o ListOptions) ([]Entry, error) {
	if ok, err := d.has(&d.hasKV, "_cf_KV"); !ok {
		return nil, err
	}
	query, args := `SELECT key, value FROM _cf_KV WHERE 1`, []Arg(nil)
	bound := func(condition string, a Arg) {
		query += condition
		args = append(args, a)
	}
	if o.Start != nil {
		bound(` AND key >= ?`, text(*o.Start))
	}
	if o.StartAfter != nil {
		bound(` AND key > ?`, text(*o.StartAfter))
	}
	if o.End != nil {
		bound(` AND key < ?`, text(*o.End))
	}
	if o.Prefix != nil {
		prefix := text(*o.Prefix)
		bound(` AND key >= ?`, prefix)
		if end, ok := successor(prefix.Bytes); ok {
			bound(` AND key < ?`, Arg{Kind: Text, Bytes: end})
		}
	}
	query += ` ORDER BY key`
	if o.Reverse {
		query += ` DESC`
	}
	if o.Limit > 0 {
		query += ` LIMIT ?`
		args = append(args, Arg{Kind: Number, Float: float64(o.Limit)})
	}
	c, err := d.query(query, args, true)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for c.Next() {
		out = append(out, Entry{string(c.Value(0).Bytes), append([]byte{}, c.Value(1).Bytes...)})
	}
	return out, c.Close()
}

// successor is the least text that is greater than all with the prefix; it need not be UTF-8.
func successor(prefix []byte) (end []byte, ok bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			end = append(end, prefix[:i+1]...)
			end[i]++
			return end, true
		}
	}
	return nil, false
}
