package objects

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

type scanner[Row any] func(c driver.Cursor, row *Row) error

// scannerOf chooses how to fill a Row, and whether that needs the names of the columns. Scalars cost no reflection.
func scannerOf[Row any]() (scan scanner[Row], columns bool) {
	var zero Row
	switch any(zero).(type) {
	case int:
		return func(c driver.Cursor, row *Row) error {
			n, err := integer[int](c)
			*any(row).(*int) = n
			return err
		}, false
	case int64:
		return func(c driver.Cursor, row *Row) error {
			n, err := integer[int64](c)
			*any(row).(*int64) = n
			return err
		}, false
	case []any:
		return func(c driver.Cursor, row *Row) error {
			list := make([]any, c.Width())
			for i := range list {
				list[i] = valueOf(c.Value(i))
			}
			*any(row).(*[]any) = list
			return nil
		}, false
	case map[string]any:
		return func(c driver.Cursor, row *Row) error {
			m := make(map[string]any, c.Width())
			for i, name := range c.Columns() {
				m[name] = valueOf(c.Value(i))
			}
			*any(row).(*map[string]any) = m
			return nil
		}, true
	}
	t := reflect.TypeFor[Row]()
	if t.Kind() == reflect.Struct && t != timeType {
		return func(c driver.Cursor, row *Row) error { return scanStruct(c, reflect.ValueOf(row).Elem()) }, true
	}
	return func(c driver.Cursor, row *Row) error {
		if err := oneColumn(c); err != nil {
			return err
		}
		return scanInto(reflect.ValueOf(row).Elem(), c.Value(0))
	}, false
}

var timeType = reflect.TypeFor[time.Time]()

func oneColumn(c driver.Cursor) error {
	if n := c.Width(); n != 1 {
		return fmt.Errorf("objects: the query has %d columns, want 1 for a single value; use a struct", n)
	}
	return nil
}

func integer[N int | int64](c driver.Cursor) (N, error) {
	if err := oneColumn(c); err != nil {
		return 0, err
	}
	n, err := toInteger(c.Value(0))
	return N(n), err
}

func toInteger(v driver.Value) (int64, error) {
	if v.Kind != abi.SQLNumber {
		return 0, fmt.Errorf("objects: cannot read %s into an integer", kindName(v.Kind))
	}
	if v.Float != math.Trunc(v.Float) {
		return 0, fmt.Errorf("objects: cannot read %v into an integer", v.Float)
	}
	if math.Abs(v.Float) > 1<<53 {
		return 0, fmt.Errorf("objects: integer %.0f is beyond 2^53 and may have lost digits: store it as TEXT", v.Float)
	}
	return int64(v.Float), nil
}

func kindName(k byte) string {
	return [...]string{abi.SQLNull: "NULL", abi.SQLNumber: "a number", abi.SQLText: "TEXT", abi.SQLBlob: "a BLOB"}[k]
}

func valueOf(v driver.Value) any {
	switch v.Kind {
	case abi.SQLNumber:
		return v.Float
	case abi.SQLText:
		return string(v.Bytes)
	case abi.SQLBlob:
		return append([]byte{}, v.Bytes...)
	}
	return nil
}

// plan is how the rows of queries fill a struct.
type plan struct {
	fields map[string][]int // by name in lower case

	mu    sync.RWMutex
	bound map[*string][][]int // by the columns of a statement, which its rows share: the field of each
}

// maxBound bounds the statements whose columns a plan remembers; past it the memory starts anew.
const maxBound = 64

var plans sync.Map // reflect.Type → *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{fields: map[string][]int{}, bound: map[*string][][]int{}}
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous || !byValue(t, f.Index) {
			continue
		}
		name, tagged := f.Tag.Lookup("sql")
		if !tagged {
			name = f.Name
		}
		if name != "-" {
			p.fields[strings.ToLower(name)] = f.Index
		}
	}
	plans.Store(t, p)
	return p
}

// byValue tells whether the way to a promoted field has no pointer, which may be nil and may not be ours to set.
func byValue(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			return false
		}
	}
	return true
}

// bind finds the field of each column.
func (p *plan) bind(columns []string, t reflect.Type) ([][]int, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	p.mu.RLock()
	bound, ok := p.bound[&columns[0]]
	p.mu.RUnlock()
	if ok && len(bound) == len(columns) {
		return bound, nil
	}
	bound = make([][]int, len(columns))
	for i, name := range columns {
		if bound[i], ok = p.fields[strings.ToLower(name)]; !ok {
			return nil, fmt.Errorf("objects: column %q has no field in %s", name, t)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.bound) >= maxBound {
		clear(p.bound)
	}
	p.bound[&columns[0]] = bound
	return bound, nil
}

func scanStruct(c driver.Cursor, into reflect.Value) error {
	columns := c.Columns()
	bound, err := planOf(into.Type()).bind(columns, into.Type())
	if err != nil {
		return err
	}
	for i, index := range bound {
		var field reflect.Value
		if len(index) == 1 {
			field = into.Field(index[0])
		} else {
			field = into.FieldByIndex(index)
		}
		if err := scanInto(field, c.Value(i)); err != nil {
			return fmt.Errorf("objects: column %q: %w", columns[i], err)
		}
	}
	return nil
}

func scanInto(into reflect.Value, v driver.Value) error {
	if into.Kind() == reflect.Pointer {
		if v.Kind == abi.SQLNull {
			into.SetZero()
			return nil
		}
		into.Set(reflect.New(into.Type().Elem()))
		return scanInto(into.Elem(), v)
	}
	if v.Kind == abi.SQLNumber && into.Kind() == reflect.Int64 {
		n, err := toInteger(v)
		if err == nil {
			into.SetInt(n)
		}
		return err
	}
	switch {
	case into.Type() == timeType && v.Kind == abi.SQLNumber:
		into.Set(reflect.ValueOf(time.UnixMilli(int64(v.Float))))
		return nil
	case into.Kind() == reflect.Interface && into.NumMethod() == 0:
		if x := valueOf(v); x != nil {
			into.Set(reflect.ValueOf(x))
		} else {
			into.SetZero()
		}
		return nil
	case into.Kind() == reflect.String && v.Kind == abi.SQLText:
		into.SetString(string(v.Bytes))
		return nil
	case into.Kind() == reflect.Slice && into.Type().Elem().Kind() == reflect.Uint8 && v.Kind != abi.SQLNumber:
		if v.Kind == abi.SQLNull {
			into.SetZero()
		} else {
			into.SetBytes(append([]byte{}, v.Bytes...))
		}
		return nil
	case into.CanFloat() && v.Kind == abi.SQLNumber:
		into.SetFloat(v.Float)
		return nil
	case into.Kind() == reflect.Bool && v.Kind == abi.SQLNumber:
		into.SetBool(v.Float != 0)
		return nil
	case into.CanInt() || into.CanUint():
		n, err := toInteger(v)
		if err != nil {
			return err
		}
		if into.CanInt() && !into.OverflowInt(n) {
			into.SetInt(n)
			return nil
		}
		if into.CanUint() && n >= 0 && !into.OverflowUint(uint64(n)) {
			into.SetUint(uint64(n))
			return nil
		}
		return fmt.Errorf("objects: %d does not fit %s", n, into.Type())
	}
	return fmt.Errorf("objects: cannot read %s into %s", kindName(v.Kind), into.Type())
}
