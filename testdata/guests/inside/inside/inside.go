// Package inside does the same small storage operation many times in one event: what one costs from the guest is what the
// event costs, divided. BenchmarkInside in host/hosttest holds it beside SQLite alone.
package inside

import (
	"fmt"
	"net/http"
	"strconv"

	"durago.example/objects"
)

// Program is what the guest exports.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{objects.NewClass("Inside", newInside)},
		Fetch:   http.NotFoundHandler(),
	}
}

// Inside is the object: POST /<operation>/<first>/<n> does it for n keys.
type Inside struct {
	sql  *objects.SQL
	kv   *objects.KV
	last string
}

func newInside(state *objects.State) (*Inside, error) {
	o := &Inside{sql: state.Storage().SQL(), kv: state.Storage().KV()}
	_, err := o.sql.Exec(`CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID`)
	return o, err
}

func (o *Inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{operation}/{first}/{n}", o.many)
	mux.ServeHTTP(w, r)
}

func (o *Inside) many(w http.ResponseWriter, r *http.Request) {
	first, _ := strconv.Atoi(r.PathValue("first"))
	n, _ := strconv.Atoi(r.PathValue("n"))
	f := map[string]func(i int) error{"insert": o.insert, "select": o.read, "put": o.put, "nothing": o.nothing}[r.PathValue("operation")]
	for i := first; i < first+n; i++ {
		if err := f(i); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

func key(i int) string { return "key-" + strconv.Itoa(1_000_000+i) }

// nothing is what the others do beside storage.
func (o *Inside) nothing(i int) error {
	o.last = key(i)
	return nil
}

func (o *Inside) insert(i int) error {
	_, err := o.sql.Exec(`INSERT INTO t VALUES (?, ?)`, key(i), i)
	return err
}

func (o *Inside) read(i int) error {
	v, err := objects.One[int](o.sql, `SELECT v FROM t WHERE k = ?`, key(i))
	if err == nil && v != i {
		err = fmt.Errorf("%s is %d", key(i), v)
	}
	return err
}

func (o *Inside) put(i int) error { return objects.NewKey[int](key(i)).Put(o.kv, i) }
