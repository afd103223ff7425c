package objects_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
)

type base struct{ ID int }

type row struct {
	base
	Name   string
	At     time.Time
	Score  *float64 `sql:"points"`
	Open   bool
	Data   []byte
	Any    any
	Small  uint8
	Large  uint64
	Hidden string `sql:"-"`
}

type byPointer struct{ *base }

// scanOne reads one row of values under the names of columns.
func scanOne[Row any](t *testing.T, columns []string, values ...driver.Value) (Row, error) {
	r := &fakeResult{columns: columns, rows: [][]driver.Value{values}}
	v, err := objects.One[Row](sqlOf(t, r), `SELECT`)
	require.Equal(t, 1, r.closed, "the cursor is closed")
	return v, err
}

func TestOne_struct(t *testing.T) {
	points := 1.5
	got, err := scanOne[row](t, []string{"id", "NAME", "at", "points", "open", "data", "any", "small"},
		number(7), text("a"), number(1000), number(1.5), number(1), blob("b"), text("c"), number(255))
	require.NoError(t, err)
	require.Equal(t, row{base: base{7}, Name: "a", At: time.UnixMilli(1000), Score: &points, Open: true, Data: []byte("b"), Any: "c", Small: 255}, got)

	got, err = scanOne[row](t, []string{"points", "data", "any"}, null, null, null)
	require.NoError(t, err)
	require.Equal(t, row{}, got, "NULL is nil")

	_, err = scanOne[byPointer](t, []string{"id"}, number(3))
	require.EqualError(t, err, `objects: column "id" has no field in objects_test.byPointer`)
}

func TestOne_mistakes(t *testing.T) {
	for _, r := range []struct {
		column string
		v      driver.Value
		want   string
	}{
		{"hidden", text("a"), `objects: column "hidden" has no field in objects_test.row`},
		{"score", number(1), `objects: column "score" has no field in objects_test.row`},
		{"name", number(1), `objects: column "name": objects: cannot read a number into string`},
		{"name", null, `objects: column "name": objects: cannot read NULL into string`},
		{"id", text("1"), `objects: column "id": objects: cannot read TEXT into an integer`},
		{"id", number(1.5), `objects: column "id": objects: cannot read 1.5 into an integer`},
		{"id", number(1 << 60), `objects: column "id": objects: integer 1152921504606846976 is beyond 2^53 and may have lost digits: store it as TEXT`},
		{"small", number(256), `objects: column "small": objects: 256 does not fit uint8`},
		{"small", number(-1), `objects: column "small": objects: -1 does not fit uint8`},
		{"large", number(-1), `objects: column "large": objects: -1 does not fit uint64`},
		{"open", text("t"), `objects: column "open": objects: cannot read TEXT into bool`},
		{"data", number(1), `objects: column "data": objects: cannot read a number into []uint8`},
		{"at", text("now"), `objects: column "at": objects: cannot read TEXT into time.Time`},
	} {
		_, err := scanOne[row](t, []string{r.column}, r.v)
		require.EqualError(t, err, r.want)
	}
}

func TestOne_single(t *testing.T) {
	n, err := scanOne[int](t, []string{"n"}, number(-3))
	require.NoError(t, err)
	require.Equal(t, -3, n)
	long, err := scanOne[int64](t, []string{"n"}, number(1<<53))
	require.NoError(t, err)
	require.EqualValues(t, 1<<53, long)
	s, err := scanOne[string](t, []string{"n"}, text("a"))
	require.NoError(t, err)
	require.Equal(t, "a", s)
	p, err := scanOne[*string](t, []string{"n"}, null)
	require.NoError(t, err)
	require.Nil(t, p)
	at, err := scanOne[time.Time](t, []string{"n"}, number(5))
	require.NoError(t, err)
	require.Equal(t, time.UnixMilli(5), at)
	list, err := scanOne[[]any](t, []string{"a", "b", "c", "d"}, number(1), text("t"), blob("b"), null)
	require.NoError(t, err)
	require.Equal(t, []any{1.0, "t", []byte("b"), nil}, list)
	m, err := scanOne[map[string]any](t, []string{"a", "b"}, number(1), null)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": 1.0, "b": nil}, m)

	_, err = scanOne[int](t, []string{"a", "b"}, number(1), number(2))
	require.EqualError(t, err, "objects: the query has 2 columns, want 1 for a single value; use a struct")
	_, err = scanOne[string](t, []string{"a", "b"}, text(""), text(""))
	require.EqualError(t, err, "objects: the query has 2 columns, want 1 for a single value; use a struct")
}

func TestOne_count(t *testing.T) {
	_, err := objects.One[int](sqlOf(t, &fakeResult{columns: []string{"n"}}), ``)
	require.ErrorIs(t, err, objects.ErrNoRow)
	two := [][]driver.Value{{number(1)}, {number(2)}}
	_, err = objects.One[int](sqlOf(t, &fakeResult{columns: []string{"n"}, rows: two}), ``)
	require.ErrorIs(t, err, objects.ErrManyRows)
	fail := errors.New("disk")
	_, err = objects.One[int](sqlOf(t, &fakeResult{columns: []string{"n"}, fail: fail}), ``)
	require.ErrorIs(t, err, fail)
}

func TestQuery(t *testing.T) {
	rows := [][]driver.Value{{number(1)}, {number(2)}, {number(3)}}
	t.Run("all", func(t *testing.T) {
		r := &fakeResult{columns: []string{"n"}, rows: rows}
		var got []int
		for n, err := range objects.Query[int](sqlOf(t, r), ``) {
			require.NoError(t, err)
			got = append(got, n)
		}
		require.Equal(t, []int{1, 2, 3}, got)
		require.Equal(t, 1, r.closed)
		require.False(t, r.named, "a single value needs no names")
	})
	t.Run("left early", func(t *testing.T) {
		r := &fakeResult{columns: []string{"n"}, rows: rows}
		for range objects.Query[struct{ N int }](sqlOf(t, r), ``) {
			break
		}
		require.Equal(t, 1, r.at)
		require.Equal(t, 1, r.closed)
		require.True(t, r.named)
	})
	t.Run("an error ends it", func(t *testing.T) {
		r := &fakeResult{columns: []string{"n"}, rows: [][]driver.Value{{number(1)}, {text("x")}, {number(3)}}}
		var got []string
		for n, err := range objects.Query[int](sqlOf(t, r), ``) {
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			require.Equal(t, 1, n)
			got = append(got, "row")
		}
		require.Equal(t, []string{"row", "objects: cannot read TEXT into an integer"}, got)
		require.Equal(t, 1, r.closed)
	})
}

func TestSQL_Exec(t *testing.T) {
	r := &fakeResult{columns: []string{"n"}, rows: [][]driver.Value{{number(1)}, {number(2)}}}
	got, err := sqlOf(t, r).Exec(``)
	require.NoError(t, err)
	require.Equal(t, objects.Result{RowsRead: 2, RowsWritten: 7}, got)
}
