package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"durago.example/objects"
	object "durago.example/objects/driver"
)

// Open is the database of an object; call it once, in the object's constructor. It reads and writes nothing. The DB is
// closed when the object is gone.
func Open(state *objects.State) *sql.DB {
	ctx := state.Context()
	scope, _ := ctx.Value(object.ScopeKey).(object.Scope)
	db := sql.OpenDB(&database{scope: scope})
	context.AfterFunc(ctx, func() { _ = db.Close() })
	return db
}

// database is what the connections of a DB share.
type database struct {
	scope object.Scope

	mu         sync.Mutex
	statements map[string]*statement // by their text
	schema     *schema               // as it was when it was last needed, or nil
}

var _ driver.Connector = (*database)(nil)

// maxStatements bounds the texts that are remembered; a program that builds texts without end has them read anew.
const maxStatements = 1024

// Connect makes another view of the database.
func (d *database) Connect(context.Context) (driver.Conn, error) {
	if d.scope == nil {
		return nil, errors.New("sqldb: the state belongs to no object")
	}
	return &conn{db: d}, nil
}

// Driver is for sql.DB.Driver.
func (d *database) Driver() driver.Driver { return nameless{} }

// nameless refuses to open a database by name.
type nameless struct{}

func (nameless) Open(string) (driver.Conn, error) {
	return nil, errors.New("sqldb: an object's database has no name: use sqldb.Open in its constructor")
}

// statement is what is known of a text.
func (d *database) statement(query string) *statement {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.statements[query]; s != nil {
		return s
	}
	if d.statements == nil || len(d.statements) >= maxStatements {
		d.statements = map[string]*statement{}
	}
	s := parse(query)
	d.statements[query] = s
	return s
}

// changed forgets the schema, which a statement may have changed.
func (d *database) changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.schema = nil
	for _, s := range d.statements {
		s.types = nil
	}
}
