package storage

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// limits are the platform's.
var limits = map[sqlite3.LimitCategory]int{
	sqlite3.LIMIT_SQL_LENGTH: 100_000, sqlite3.LIMIT_COLUMN: 100, sqlite3.LIMIT_VARIABLE_NUMBER: 100, sqlite3.LIMIT_COMPOUND_SELECT: 5,
	sqlite3.LIMIT_FUNCTION_ARG: 127, sqlite3.LIMIT_LIKE_PATTERN_LENGTH: 50, sqlite3.LIMIT_EXPR_DEPTH: 100, sqlite3.LIMIT_VDBE_OP: 25_000,
	sqlite3.LIMIT_TRIGGER_DEPTH: 10, sqlite3.LIMIT_ATTACHED: 0, sqlite3.LIMIT_WORKER_THREADS: 0, sqlite3.LIMIT_LENGTH: 8_388_642,
}

var pragmas = map[string]bool{
	"table_list": true, "table_info": true, "table_xinfo": true, "index_list": true, "index_info": true, "index_xinfo": true,
	"foreign_key_list": true, "foreign_key_check": true, "quick_check": true, "optimize": true, "data_version": true,
	"case_sensitive_like": true, "foreign_keys": true, "defer_foreign_keys": true, "ignore_check_constraints": true,
	"legacy_alter_table": true, "recursive_triggers": true, "reverse_unordered_selects": true,
}

// settings are the pragmas that a connection remembers.
var settings = map[string]bool{
	"case_sensitive_like": true, "foreign_keys": true, "ignore_check_constraints": true, "legacy_alter_table": true,
	"recursive_triggers": true, "reverse_unordered_selects": true,
}

var modules = map[string]bool{"fts5": true, "fts5vocab": true, "rtree": true, "rtree_i32": true}

// deniedFunctions are in this SQLite and not on the platform.
var deniedFunctions = map[string]bool{
	"load_extension": true, "sqlite_version": true, "sqlite_source_id": true, "sqlite_compileoption_get": true,
	"sqlite_compileoption_used": true, "sqlite_log": true, "if": true, "ceiling": true, "log10": true, "power": true, "subtype": true,
	"unistr": true, "unistr_quote": true, "json_error_position": true, "json_pretty": true, "json_array_insert": true,
	"jsonb_array_insert": true, "rtreenode": true, "rtreedepth": true, "fts5": true, "fts5_source_id": true, "fts5_locale": true,
	"fts5_insttoken": true,
}

// reserved tells whether a name belongs to the platform.
func reserved(name string) bool { return len(name) >= 4 && strings.EqualFold(name[:4], "_cf_") }

// authorize decides what an object's statements may do.
func (d *Database) authorize(action sqlite3.AuthorizerActionCode, a, b, schema, _ string) sqlite3.AuthorizerReturnCode {
	if d.trusted {
		return sqlite3.AUTH_OK
	}
	deny := false
	switch action {
	case sqlite3.AUTH_TRANSACTION, sqlite3.AUTH_SAVEPOINT:
		d.advice = true
		deny = true
	case sqlite3.AUTH_ATTACH, sqlite3.AUTH_DETACH,
		sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_TRIGGER, sqlite3.AUTH_CREATE_TEMP_VIEW:
		deny = true
	case sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_TRIGGER, sqlite3.AUTH_CREATE_VIEW,
		sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_TRIGGER, sqlite3.AUTH_DROP_VIEW,
		sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE, sqlite3.AUTH_READ:
		deny = reserved(a)
	case sqlite3.AUTH_ALTER_TABLE:
		deny = reserved(b)
	case sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_VTABLE:
		deny = reserved(a) || !modules[strings.ToLower(b)]
	case sqlite3.AUTH_PRAGMA:
		name := strings.ToLower(a)
		deny = !pragmas[name] && !(name == "page_size" && b == "")
		d.session = d.session || b != "" && settings[name]
	case sqlite3.AUTH_FUNCTION:
		deny = deniedFunctions[strings.ToLower(b)]
	}
	if deny {
		return sqlite3.AUTH_DENY
	}
	return sqlite3.AUTH_OK
}
