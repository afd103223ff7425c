package sqldb

import (
	"database/sql/driver"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	object "durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// rows are the result of a statement, read from its cursor a row at a time.
type rows struct {
	cursor object.Cursor
	names  []string
	types  []string // as declared, or empty
}

var _ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)

func (r *rows) Columns() []string { return r.names }

func (r *rows) ColumnTypeDatabaseTypeName(i int) string { return r.types[i] }

func (r *rows) Close() error {
	r.cursor.Close()
	return nil
}

func (r *rows) Next(dest []driver.Value) error {
	ok, err := r.cursor.Next()
	if err != nil {
		return err
	}
	if !ok {
		return io.EOF
	}
	for i := range dest {
		if dest[i], err = read(r.cursor.Value(i), r.types[i]); err != nil {
			return fmt.Errorf("sqldb: column %q: %w", r.names[i], err)
		}
	}
	return nil
}

// read is a value as database/sql takes it.
func read(v object.Value, declared string) (driver.Value, error) {
	switch v.Kind {
	case abi.SQLNumber:
		return number(v.Float, declared)
	case abi.SQLText:
		text := string(v.Bytes)
		if isTime(declared) {
			if t, ok := parseTime(text); ok {
				return t, nil
			}
		}
		return text, nil
	case abi.SQLBlob:
		if v.Bytes == nil {
			return []byte{}, nil // it is not NULL
		}
		return v.Bytes, nil
	}
	return nil, nil
}

func number(f float64, declared string) (driver.Value, error) {
	switch {
	case isTime(declared):
		return time.UnixMilli(int64(f)).UTC(), nil
	case isReal(declared), f != math.Trunc(f):
		return f, nil
	}
	n, err := integer(f)
	if err != nil && !strings.Contains(declared, "INT") {
		return f, nil
	}
	return n, err
}

// integer refuses what a float64 may have rounded.
func integer(f float64) (int64, error) {
	if math.Abs(f) > 1<<53 {
		return 0, fmt.Errorf("integer %.0f is beyond 2^53 and may have lost digits: store it as TEXT", f)
	}
	return int64(f), nil
}

func isTime(declared string) bool {
	return declared == "DATE" || declared == "DATETIME" || declared == "TIMESTAMP"
}

// isReal is SQLite's own rule for the affinity of a column.
func isReal(declared string) bool {
	return !strings.Contains(declared, "INT") && (strings.Contains(declared, "REAL") || strings.Contains(declared, "FLOA") || strings.Contains(declared, "DOUB"))
}

// layouts are the forms of https://sqlite.org/lang_datefunc.html#time_values that have a date. A fraction of a second is
// read without being in the layout.
var layouts = []string{
	"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04", "2006-01-02 15:04Z07:00",
	"2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04", "2006-01-02T15:04Z07:00",
	"2006-01-02",
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
