// Command behind is the guest of tests of a worker that has classes only, for the bindings of others.
package main

import (
	"fmt"
	"net/http"

	"durago.example/objects"
)

type room struct{ sql *objects.SQL }

func newRoom(s *objects.State) (*room, error) {
	r := &room{s.Storage().SQL()}
	_, err := r.sql.Exec(`CREATE TABLE IF NOT EXISTS visits (path TEXT)`)
	return r, err
}

// ServeHTTP counts the visits to a path.
func (r *room) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	n := 0
	_, err := r.sql.Exec(`INSERT INTO visits VALUES (?)`, q.URL.Path)
	if err == nil {
		n, err = objects.One[int](r.sql, `SELECT count(*) FROM visits WHERE path = ?`, q.URL.Path)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%s was visited %d times", q.URL.Path, n)
}

func main() {
	objects.Run(objects.Program{Classes: []*objects.Class{objects.NewClass("Room", newRoom)}})
}
