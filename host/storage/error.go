package storage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Error is an error of the database in the platform's words.
type Error struct {
	Message  string
	Critical bool // the object must be reset
	extended sqlite3.ExtendedErrorCode
}

func (e *Error) Error() string { return e.Message }

var codes = map[sqlite3.ErrorCode]string{
	sqlite3.ERROR: "SQLITE_ERROR", sqlite3.INTERNAL: "SQLITE_INTERNAL", sqlite3.PERM: "SQLITE_PERM", sqlite3.ABORT: "SQLITE_ABORT",
	sqlite3.BUSY: "SQLITE_BUSY", sqlite3.LOCKED: "SQLITE_LOCKED", sqlite3.NOMEM: "SQLITE_NOMEM", sqlite3.READONLY: "SQLITE_READONLY",
	sqlite3.INTERRUPT: "SQLITE_INTERRUPT", sqlite3.IOERR: "SQLITE_IOERR", sqlite3.CORRUPT: "SQLITE_CORRUPT", sqlite3.NOTFOUND: "SQLITE_NOTFOUND",
	sqlite3.FULL: "SQLITE_FULL", sqlite3.CANTOPEN: "SQLITE_CANTOPEN", sqlite3.SCHEMA: "SQLITE_SCHEMA", sqlite3.TOOBIG: "SQLITE_TOOBIG",
	sqlite3.CONSTRAINT: "SQLITE_CONSTRAINT", sqlite3.MISMATCH: "SQLITE_MISMATCH", sqlite3.MISUSE: "SQLITE_MISUSE", sqlite3.AUTH: "SQLITE_AUTH",
	sqlite3.RANGE: "SQLITE_RANGE", sqlite3.NOTADB: "SQLITE_NOTADB",
}

var extended = map[sqlite3.ExtendedErrorCode]string{
	sqlite3.CONSTRAINT_CHECK: "CHECK", sqlite3.CONSTRAINT_FOREIGNKEY: "FOREIGNKEY", sqlite3.CONSTRAINT_NOTNULL: "NOTNULL",
	sqlite3.CONSTRAINT_PRIMARYKEY: "PRIMARYKEY", sqlite3.CONSTRAINT_TRIGGER: "TRIGGER", sqlite3.CONSTRAINT_UNIQUE: "UNIQUE",
	sqlite3.CONSTRAINT_ROWID: "ROWID", sqlite3.CONSTRAINT_DATATYPE: "DATATYPE",
}

// transactionAdvice is what the platform says to BEGIN and SAVEPOINT.
const transactionAdvice = "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer because it will automatically roll back on exceptions, and because it interacts correctly with Durable Objects' automatic atomic write coalescing."

// wrap puts an error of SQLite in the platform's words; prepared is the text that was to be prepared, if it was that.
func (d *Database) wrap(err error, prepared string) error {
	var full sqlite3.ExtendedErrorCode // an error without a text of its own is a bare code
	if !errors.As(err, &full) {
		return fmt.Errorf("storage: %w", err)
	}
	if d.advice {
		d.advice = false
		return &Error{Message: transactionAdvice}
	}
	missing := d.missing
	d.missing = false
	code := sqlite3.ErrorCode(full) // the low byte
	text := strings.TrimPrefix(err.Error(), "sqlite3: ")
	if _, own, ok := strings.Cut(text, ": "); ok {
		text = own
	}
	if name, ok := strings.CutPrefix(text, "not authorized to use function: "); ok && missing {
		text = "no such function: " + name
	}
	var e *sqlite3.Error
	if errors.As(err, &e) && e.SQL() != "" && len(e.SQL()) <= len(prepared) {
		text += fmt.Sprintf(" at offset %d", len(prepared)-len(e.SQL()))
	}
	name, ok := codes[code]
	if !ok {
		name = fmt.Sprintf("SQLITE_%d", code)
	}
	if code == sqlite3.TOOBIG && prepared != "" {
		text = "statement too long"
	}
	if code == sqlite3.INTERRUPT && d.readOnly {
		return d.outOfTime()
	}
	if code == sqlite3.INTERRUPT {
		text = fmt.Sprintf("the statement exceeded its CPU limit of %v", d.limit.most)
	}
	text += ": " + name
	if suffix, ok := extended[full]; ok {
		text += fmt.Sprintf(" (extended: %s_%s)", name, suffix)
	}
	out := &Error{Message: text, extended: full}
	switch code {
	case sqlite3.FULL, sqlite3.IOERR, sqlite3.NOMEM, sqlite3.INTERRUPT, sqlite3.CORRUPT:
		out.Critical = true
		d.broken = out
		if failedSync(err) {
			_ = d.store.durable.fail(err)
		}
	}
	return out
}

// isBusy tells whether another process has the database open.
func isBusy(err error) bool {
	var e *Error
	return errors.Is(err, sqlite3.BUSY) || errors.As(err, &e) && sqlite3.ErrorCode(e.extended) == sqlite3.BUSY
}
