// Package sqldb is a database/sql driver over an object's database, for code that is written against *sql.DB: what sqlc
// generates, for example. It adds 0.4 MB to a program, 0.1 MB compressed; objects.Query and objects.One need none of that.
//
//	type Library struct{ queries *store.Queries } // store is what sqlc made
//
//	func New(state *objects.State) (*Library, error) {
//		db := sqldb.Open(state)
//		_, err := db.Exec(schema)
//		return &Library{store.New(db)}, err
//	}
//
// # Connections
//
// The object has one database, and each connection of the pool is only a view of it: it costs nothing, and sees at once
// what the others write. Do not limit their number: a goroutine that waits for a connection while it has one waits for
// ever. Statements run at once and are not interrupted; rows stay open across other statements, also on the same
// connection. A DB is closed when its object is gone.
//
// # Transactions
//
// BeginTx begins an objects.Storage.Transaction: until Commit or Rollback other events of the object are held, and
// goroutines outside of the transaction that use the object's storage wait. The transaction is serializable and may last
// for 30 seconds, in which it may wait for anything; past them the object is reset. It is rolled back when its context
// ends: with that of an event, when the handler returns.
//
// The goroutine that begins it, and those that this one starts, are inside: as there is only one database, what they do
// beside the Tx, through the DB or the object's storage, takes part in the transaction. Any other goroutine may use and
// end the Tx itself. From inside, a second BeginTx fails; Storage.Transaction and TransactionSync nest. A transaction
// that encloses them ends after them: a Commit inside of them fails and undoes it.
//
// # Values
//
// Arguments are those of database/sql, bound as objects.SQL does: all numbers as REAL, which a column of a numeric type
// turns into integers; bool as 0 or 1; time.Time as milliseconds since 1970. Integers beyond 2^53 in magnitude fail, in
// either direction. Named arguments (sql.Named) are found by name here, since the platform binds by position; a statement
// has either named arguments or positional ones.
//
// Of a value the platform tells a number from TEXT and BLOB, but not an integer from a real, and nothing of what its column
// was declared as. So the declared type of a result's column is that of the columns of the same name in the tables that the
// statement mentions, if they agree: known of a column that keeps its name, and of an expression that is given one, as in
// SELECT max(at) AS at. ColumnTypes has it, or an empty name. It decides this:
//
//   - DATE, DATETIME and TIMESTAMP are read as time.Time in UTC: a number as milliseconds since 1970, TEXT in the forms that
//     SQLite's own functions write, CURRENT_TIMESTAMP for one. Other TEXT stays text.
//   - REAL, FLOAT and DOUBLE are read as float64. A number of any other type, or of none that is known, is an int64 if it has
//     no fraction, and else a float64.
//   - Integer types fail beyond 2^53. BOOLEAN is 0 or 1, which scans into a bool.
//
// Result.RowsAffected and LastInsertId are SQLite's changes() and last_insert_rowid() after an INSERT, REPLACE, UPDATE or
// DELETE, which costs a second statement, and 0 after anything else.
//
// Errors of the database are those of package objects: errors.As finds the *objects.Error, with the platform's text.
//
// # Not supported
//
//   - Isolation levels but the default and serializable, and read-only transactions: BeginTx fails.
//   - BEGIN, COMMIT, ROLLBACK and SAVEPOINT as statements, VACUUM, ATTACH, temporary tables, most of PRAGMA: the platform
//     refuses them in its own words.
//   - Several results at once: of a text with several statements the last one has the arguments and the result.
//   - Prepared statements: the platform has none. Prepare keeps the text, and a mistake in it fails when it runs.
//   - sql.Out, and unsigned integers above the greatest int64: database/sql refuses them.
//   - sql.Open: a database has no name but belongs to an object; use Open.
package sqldb
