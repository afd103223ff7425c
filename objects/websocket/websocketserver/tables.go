package websocketserver

import "durago.example/objects"

// Tables are made when they are first written to, so that a room that nobody has written into leaves no database behind,
// whoever asks for it. Whether one is there is asked rather than remembered: what made it may have been undone.

// hasTable tells whether the room's database has a table.
func hasTable(sql *objects.SQL, name string) (bool, error) {
	n, err := objects.One[int64](sql, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`, name)
	return n > 0, err
}
