package objects_test

import (
	"errors"
	"time"

	"durago.example/objects"
)

// Hit is a row: columns go by tag, else by the field's name; a pointer is nil for NULL.
type Hit struct {
	Page    string
	At      time.Time
	Referer *string `sql:"referrer"`
}

func ExampleQuery() {
	_ = func(sql *objects.SQL, since time.Time) (pages []string, err error) {
		for hit, err := range objects.Query[Hit](sql, `SELECT page, at, referrer FROM hits WHERE at > ?`, since) {
			if err != nil {
				return nil, err
			}
			if hit.Referer != nil {
				pages = append(pages, hit.Page)
			}
		}
		return pages, nil
	}
}

// A row may be a single value, and there must be exactly one.
func ExampleOne() {
	_ = func(sql *objects.SQL, page string) (int, error) {
		n, err := objects.One[int](sql, `SELECT n FROM pages WHERE page = ?`, page)
		if errors.Is(err, objects.ErrNoRow) {
			return 0, nil
		}
		return n, err
	}
}

func ExampleSQL_Exec() {
	_ = func(sql *objects.SQL) (objects.Result, error) {
		if _, err := sql.Exec(`CREATE TABLE IF NOT EXISTS hits (page TEXT, at INTEGER, referrer TEXT); CREATE INDEX IF NOT EXISTS h ON hits (at)`); err != nil {
			return objects.Result{}, err
		}
		return sql.Exec(`INSERT INTO hits VALUES (?, ?, ?)`, "/", time.Now(), nil)
	}
}
