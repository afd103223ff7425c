package storage

import "fmt"

// Bookmark is a name for the state of the database that is greater than all given out before. As in workerd, which keeps
// no history either, it is a counter of the times that somebody asked, in row 2 of _cf_METADATA; asking is a write.
func (d *Database) Bookmark() (string, error) {
	if err := d.ensure(&d.hasMeta, createMetadata); err != nil {
		return "", err
	}
	next, err := d.number(`INSERT INTO _cf_METADATA VALUES (2, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value`)
	return fmt.Sprintf("00000000-%08x-00000000-%032x", int64(next)-1, 0), err
}
