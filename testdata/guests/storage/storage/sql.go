package storage

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"durago.example/objects"
)

// sqlVerbs run statements. Arguments follow an arrow, with commas between them.
var sqlVerbs = map[string]func(r *runner, ctx context.Context, rest string) (string, error){
	"sql":    (*runner).rows,
	"names":  (*runner).named,
	"counts": (*runner).counts,
	"one":    (*runner).one,
	"open":   (*runner).open,
	"next":   (*runner).next,
	"stop":   (*runner).stop,
	"size": func(r *runner, _ context.Context, _ string) (string, error) {
		n, err := r.sql().DatabaseSize()
		return fmt.Sprint(n), err
	},
}

func (s *Store) sql() *objects.SQL { return s.state.Storage().SQL() }

// statement parts a statement from its arguments.
func statement(rest string) (query string, args []any, err error) {
	query, bindings, ok := strings.Cut(rest, " ← ")
	if ok {
		all, err := values("[" + bindings + "]")
		if err != nil {
			return "", nil, err
		}
		args = all[0].([]any)
	}
	return query, args, nil
}

func (r *runner) rows(_ context.Context, rest string) (string, error) {
	query, args, err := statement(rest)
	if err != nil {
		return "", err
	}
	return collect(objects.Query[[]any](r.sql(), query, args...), func(row []any) string {
		return "(" + strings.Trim(list(row), "[]") + ")"
	})
}

// named shows columns by their names.
func (r *runner) named(_ context.Context, rest string) (string, error) {
	query, args, err := statement(rest)
	if err != nil {
		return "", err
	}
	return collect(objects.Query[map[string]any](r.sql(), query, args...), func(row map[string]any) string { return show(row) })
}

func collect[Row any](rows iter.Seq2[Row, error], show func(Row) string) (string, error) {
	var out []string
	for row, err := range rows {
		if err != nil {
			return "", err
		}
		out = append(out, show(row))
	}
	if len(out) == 0 {
		return "no rows", nil
	}
	return strings.Join(out, " "), nil
}

func (r *runner) counts(_ context.Context, rest string) (string, error) {
	query, args, err := statement(rest)
	if err != nil {
		return "", err
	}
	n, err := r.sql().Exec(query, args...)
	return fmt.Sprintf("%d read, %d written", n.RowsRead, n.RowsWritten), err
}

// one reads a single value as the Go type that the first word names.
func (r *runner) one(_ context.Context, rest string) (string, error) {
	kind, rest, _ := strings.Cut(rest, " ")
	query, args, err := statement(rest)
	if err != nil {
		return "", err
	}
	read := ones[kind]
	if read == nil {
		return "", fmt.Errorf("no type %q", kind)
	}
	return read(r.sql(), query, args)
}

var ones = map[string]func(db *objects.SQL, query string, args []any) (string, error){
	"int": one[int], "int8": one[int8], "int64": one[int64], "uint8": one[uint8], "uint64": one[uint64], "float64": one[float64],
	"string": one[string], "bytes": one[[]byte], "bool": one[bool], "time": one[time.Time], "any": one[any], "*int": pointer[int], "*string": pointer[string],
	"struct": one[struct {
		A int
		B string `sql:"name"`
	}],
}

func one[T any](db *objects.SQL, query string, args []any) (string, error) {
	v, err := objects.One[T](db, query, args...)
	return show(v), err
}

func pointer[T any](db *objects.SQL, query string, args []any) (string, error) {
	v, err := objects.One[*T](db, query, args...)
	if v == nil {
		return "nil", err
	}
	return "&" + show(*v), err
}

// cursor is an open query.
type cursor struct {
	next func() ([]any, error, bool)
	stop func()
}

func (r *runner) open(_ context.Context, rest string) (string, error) {
	name, rest, _ := strings.Cut(rest, " ")
	query, args, err := statement(rest)
	if err != nil {
		return "", err
	}
	next, stop := iter.Pull2(objects.Query[[]any](r.sql(), query, args...))
	context.AfterFunc(r.state.Context(), stop) // natively its goroutine would stay
	r.cursors[name] = &cursor{next, stop}
	return "", nil
}

func (r *runner) next(_ context.Context, name string) (string, error) {
	row, err, ok := r.cursors[name].next()
	if err != nil || !ok {
		return "end", err
	}
	return "(" + strings.Trim(list(row), "[]") + ")", nil
}

func (r *runner) stop(_ context.Context, name string) (string, error) {
	r.cursors[name].stop()
	return "", nil
}
