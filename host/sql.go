package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

// SQLOptions say how Operator.SQL runs.
type SQLOptions struct {
	Write bool // what the statements write stays; without it those that write are refused
	// Timeout is how long statements that only read may work; default 1 s. Meanwhile no object of the isolate does
	// anything. One that writes has the limit of the object's own code, and resets the object if it exceeds that.
	Timeout time.Duration
	Rows    int // that are returned at most; default 10,000
}

// SQLResult is what the last of some statements has returned.
type SQLResult struct {
	Columns   []string `json:"columns"`
	Rows      [][]any  `json:"rows"`      // nil, float64, string or Blob
	Truncated bool     `json:"truncated"` // there were more rows than asked for, or more than 8 MiB of them
	Read      int64    `json:"rows_read"`
	Written   int64    `json:"rows_written"`
	bytes     int      // of the rows so far
}

// Blob is a BLOB of SQLite. As JSON it is an object with its bytes in base64, for text is not told from it otherwise.
type Blob []byte

// MarshalJSON writes {"base64": "…"}.
func (b Blob) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(b)})
}

const (
	defaultRows    = 10_000
	defaultTimeout = time.Second
	maxResultBytes = 8 << 20
)

// SQL runs statements in an object's database, between two of its turns, with the rights and limits of its own code: all of
// them take effect or none. Numbers are as that code sees them, float64. It returns once what was written is durable.
func (p *Operator) SQL(ctx context.Context, class, object, query string, o SQLOptions) (*SQLResult, error) {
	if o.Timeout < 0 || o.Rows < 0 {
		return nil, fmt.Errorf("the options Timeout, %v, and Rows, %d: neither may be negative", o.Timeout, o.Rows)
	}
	set(&o.Timeout, defaultTimeout)
	set(&o.Rows, defaultRows)
	return beside(ctx, p, "query", class, object, func(d *durable.Object) (*SQLResult, error) {
		r := &SQLResult{Columns: []string{}, Rows: [][]any{}}
		run := func() error { return r.run(d.Database(), query, o.Rows) }
		if o.Write {
			return r, d.Together(run)
		}
		err := d.Database().Look(o.Timeout, run)
		switch {
		case errors.Is(err, storage.ErrLook):
			err = fmt.Errorf("%w: ask for it (--write)", err)
		case errors.Is(err, storage.ErrLookTime):
			err = fmt.Errorf("%w: ask for less, or give it more time (--timeout); no other object of the isolate does anything meanwhile", err)
		}
		return r, err
	})
}

func (r *SQLResult) run(d *storage.Database, query string, most int) error {
	c, err := d.Exec(query, nil)
	if err != nil {
		return err
	}
	for i := range c.Width() {
		r.Columns = append(r.Columns, c.Column(i))
	}
	for c.Next() {
		if r.Truncated = r.Truncated || len(r.Rows) >= most || r.bytes > maxResultBytes; !r.Truncated {
			r.Rows = append(r.Rows, r.row(c))
		} else if c.ReadOnly() {
			break
		}
	}
	err = c.Close()
	r.Read, r.Written = c.Counts()
	return err
}

func (r *SQLResult) row(c *storage.Cursor) []any {
	row := make([]any, c.Width())
	r.bytes += 16 * len(row)
	for i := range row {
		v := c.Value(i)
		r.bytes += len(v.Bytes)
		switch v.Kind {
		case storage.Number:
			row[i] = v.Float
			if math.IsInf(v.Float, 0) { // which JSON does not have
				row[i] = fmt.Sprint(v.Float)
			}
		case storage.Text:
			row[i] = string(v.Bytes)
		case storage.Blob:
			row[i] = append(Blob{}, v.Bytes...)
		}
	}
	return row
}
