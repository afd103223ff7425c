package guest

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

func (s *scope) SQL() driver.SQL { return sqlite{s, nil} }

type sqlite struct {
	s  *scope
	in *section // in which statements take part, or nil
}

// statements are the texts that the runtime knows by number. Programs have few; a program that builds texts without
// end keeps to the bound by sending them anew.
type statements struct {
	byText map[string]*statement
	last   uint32 // number
	// recent are some of them by their address: a program's texts are constants, and a look at one costs less than its hash.
	recent [64]struct {
		text string
		st   *statement
	}
}

const maxStatements = 4096

type statement struct {
	id      uint32
	columns []string // of its last result, which seldom change: cursors share them
}

func intern(s *scope, query string) (*statement, error) {
	data := unsafe.StringData(query)
	recent := &s.g.statements.recent
	r := &recent[uintptr(unsafe.Pointer(data))/8%uintptr(len(recent))]
	if r.st != nil && unsafe.StringData(r.text) == data && len(r.text) == len(query) {
		return r.st, nil
	}
	st, err := internText(s, query)
	if err == nil {
		r.text, r.st = query, st
	}
	return st, err
}

func internText(s *scope, query string) (*statement, error) {
	all := &s.g.statements
	if st, ok := all.byText[query]; ok {
		return st, nil
	}
	if len(all.byText) >= maxStatements {
		clear(all.byText)
		clear(all.recent[:])
	}
	all.last = all.last%(2*maxStatements) + 1 // a goroutine may be about to run one of those that were forgotten
	st := &statement{id: all.last}
	if _, err := s.g.call(s.id, abi.OpSQLIntern, st.id, []byte(query), nil); err != nil {
		return nil, err
	}
	s.g.pin()
	all.byText[query] = st
	s.g.unpin()
	return st, nil
}

// run appends the answer to dst.
func (q sqlite) run(query string, args []any, flags byte, dst []byte) (*statement, []byte, error) {
	if err := q.s.enterFor(q.in); err != nil {
		return nil, nil, err
	}
	st, err := intern(q.s, query)
	if err != nil {
		return nil, nil, err
	}
	b := abi.AppendU16(append(q.s.g.scratch(), flags), uint16(len(args)))
	for i, a := range args {
		if b, err = appendSQL(b, a); err != nil {
			return nil, nil, fmt.Errorf("objects: argument %d: %w", i+1, err)
		}
	}
	answer, err := q.s.g.call(q.s.id, abi.OpSQL, st.id, b, dst)
	q.s.g.discard(b)
	return st, answer, err
}

func (q sqlite) Exec(query string, args []any) (read, written int64, err error) {
	var room [16]byte
	_, a, err := q.run(query, args, abi.SQLDrop, room[:0])
	if err != nil {
		return 0, 0, err
	}
	r := abi.NewReader(a)
	read, written = int64(r.F64()), int64(r.F64())
	return read, written, r.Err()
}

func (q sqlite) Open(query string, args []any, columns bool) (driver.Cursor, error) {
	var flags byte
	if columns {
		flags = abi.SQLColumns
	}
	q.s.g.take()
	c := q.s.g.newCursor()
	c.s, c.in = q.s, q.in
	st, a, err := q.run(query, args, flags, c.small[:0])
	if err != nil {
		c.Recycle()
		return nil, err
	}
	c.of = st
	err = c.load(a)
	q.s.g.settle()
	return c, err
}

func (q sqlite) Size() (int64, error) {
	if err := q.s.enterFor(q.in); err != nil {
		return 0, err
	}
	a, err := q.s.g.call(q.s.id, abi.OpSQLSize, 0, nil, nil)
	r := abi.NewReader(a)
	return int64(r.F64()), err
}

// appendSQL appends one argument.
func appendSQL(b []byte, a any) ([]byte, error) {
	kind, number, data, err := bind(a)
	if err != nil {
		return nil, err
	}
	b = append(b, kind)
	switch kind {
	case abi.SQLNumber:
		b = abi.AppendF64(b, number)
	case abi.SQLText, abi.SQLBlob:
		b = abi.AppendStr(b, data)
	}
	return b, nil
}

// bind is an argument as the database takes it; data shares the argument's memory.
func bind(a any) (kind byte, number float64, data string, err error) {
	switch v := a.(type) {
	case nil:
		return abi.SQLNull, 0, "", nil
	case string:
		return abi.SQLText, 0, v, nil
	case []byte:
		return bindBytes(v)
	case float64:
		return abi.SQLNumber, v, "", nil
	case int:
		return bindInt(int64(v))
	case int64:
		return bindInt(v)
	case time.Time:
		return bindInt(v.UnixMilli())
	}
	switch v := reflect.ValueOf(a); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return bindInt(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > maxSafe {
			return 0, 0, "", tooBig(a)
		}
		return abi.SQLNumber, float64(v.Uint()), "", nil
	case reflect.Float32, reflect.Float64:
		return abi.SQLNumber, v.Float(), "", nil
	case reflect.String:
		return abi.SQLText, 0, v.String(), nil
	case reflect.Bool:
		if v.Bool() {
			return abi.SQLNumber, 1, "", nil
		}
		return abi.SQLNumber, 0, "", nil
	case reflect.Pointer:
		if v.IsNil() {
			return abi.SQLNull, 0, "", nil
		}
		return bind(v.Elem().Interface())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return bindBytes(v.Bytes())
		}
	}
	return 0, 0, "", fmt.Errorf("cannot bind %T: want nil, bool, a number, string, []byte or time.Time", a)
}

func bindBytes(v []byte) (byte, float64, string, error) {
	if v == nil {
		return abi.SQLNull, 0, "", nil
	}
	return abi.SQLBlob, 0, view(v), nil
}

// maxSafe is the greatest integer up to which a float64 holds all.
const maxSafe = 1 << 53

func bindInt(n int64) (byte, float64, string, error) {
	if n > maxSafe || n < -maxSafe {
		return 0, 0, "", tooBig(n)
	}
	return abi.SQLNumber, float64(n), "", nil
}

func tooBig(n any) error {
	return fmt.Errorf("%d is beyond 2^53 and would lose digits: bind it as a string", n)
}

// cursor holds a chunk of rows; its memory is its own, so that it stays open across other statements.
type cursor struct {
	s           *scope
	in          *section
	of          *statement
	handle      uint32
	columns     []string
	width, rows int
	at          abi.Reader
	row         []driver.Value
	few         [4]driver.Value
	small       [96]byte // room for the first rows
}

var _ driver.Cursor = (*cursor)(nil)

// spare are cursors to use again: most live for one statement, and making one costs as much as half of what SQLite does
// for it.
const maxSpare = 16

func (g *Guest) newCursor() *cursor {
	if n := len(g.spare) - 1; n >= 0 {
		c := g.spare[n]
		g.spare = g.spare[:n]
		return c
	}
	return &cursor{}
}

// Recycle keeps no values and no texts.
func (c *cursor) Recycle() {
	g := c.s.g
	g.take()
	if len(g.spare) >= maxSpare {
		return
	}
	clear(c.row)
	c.s, c.in, c.of, c.columns, c.row, c.at = nil, nil, nil, nil, nil, abi.Reader{}
	g.pin()
	g.spare = append(g.spare, c)
	g.unpin()
	g.settle()
}

// load takes a chunk, whose memory is the cursor's from now on.
func (c *cursor) load(answer []byte) error {
	r := abi.NewReader(answer)
	c.handle = r.U32()
	c.width = int(r.U16())
	if r.U8() == 1 {
		c.name(&r)
	}
	c.rows = int(r.U32())
	if r.Err() != nil || c.rows > r.Len() && c.width > 0 {
		return abi.ErrFrame
	}
	c.at = r
	if c.row == nil {
		if c.width <= len(c.few) {
			c.row = c.few[:c.width]
		} else {
			c.row = make([]driver.Value, c.width)
		}
	}
	return nil
}

// name reads the names of the columns.
func (c *cursor) name(r *abi.Reader) {
	old := c.of.columns
	same := len(old) == c.width
	for i := range c.width {
		b := r.Bytes()
		if same = same && string(b) == old[i]; same {
			continue
		}
		if c.columns == nil {
			c.columns = append(make([]string, 0, min(c.width, r.Len()+1)), old[:min(i, len(old))]...)
		}
		c.columns = append(c.columns, string(b))
	}
	if same {
		c.columns = old
	} else {
		c.of.columns = c.columns
	}
}

func (c *cursor) Columns() []string        { return c.columns }
func (c *cursor) Width() int               { return c.width }
func (c *cursor) Value(i int) driver.Value { return c.row[i] }

func (c *cursor) Next() (bool, error) {
	for c.rows == 0 {
		if c.handle == 0 {
			return false, nil
		}
		h := c.handle
		c.handle = 0
		if err := c.s.enterFor(c.in); err != nil {
			return false, err
		}
		a, err := c.s.g.call(c.s.id, abi.OpSQLNext, h, nil, nil)
		if err != nil {
			return false, err
		}
		if err := c.load(a); err != nil {
			return false, err
		}
	}
	c.rows--
	for i := range c.row {
		v := driver.Value{Kind: c.at.U8()}
		switch v.Kind {
		case abi.SQLNumber:
			v.Float = c.at.F64()
		case abi.SQLText, abi.SQLBlob:
			v.Bytes = c.at.Bytes()
		}
		c.row[i] = v
	}
	return true, c.at.Err()
}

// Close waits for no section: it changes nothing that one protects.
func (c *cursor) Close() {
	if c.handle != 0 && c.s.arrive() == nil {
		_, _ = c.s.g.call(c.s.id, abi.OpSQLClose, c.handle, nil, nil)
	}
	c.handle = 0
}
