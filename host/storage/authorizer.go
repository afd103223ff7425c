package storage

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// limits are the platform's. Its source has one of 25,000 operations in a program too, which does not hold: programs of
// more than 100,000 run.
var limits = map[sqlite3.LimitCategory]int{
	sqlite3.LIMIT_SQL_LENGTH: 100_000, sqlite3.LIMIT_COLUMN: 100, sqlite3.LIMIT_VARIABLE_NUMBER: 100, sqlite3.LIMIT_COMPOUND_SELECT: 5,
	sqlite3.LIMIT_FUNCTION_ARG: 127, sqlite3.LIMIT_LIKE_PATTERN_LENGTH: 50, sqlite3.LIMIT_EXPR_DEPTH: 100,
	sqlite3.LIMIT_TRIGGER_DEPTH: 10, sqlite3.LIMIT_ATTACHED: 0, sqlite3.LIMIT_WORKER_THREADS: 0, sqlite3.LIMIT_LENGTH: 8_388_642,
}

var pragmas = set(`table_list table_info table_xinfo index_list index_info index_xinfo foreign_key_list foreign_key_check quick_check
	optimize data_version case_sensitive_like foreign_keys defer_foreign_keys ignore_check_constraints legacy_alter_table
	recursive_triggers reverse_unordered_selects`)

// settings are the pragmas that a connection remembers.
var settings = set(`case_sensitive_like foreign_keys ignore_check_constraints legacy_alter_table recursive_triggers reverse_unordered_selects`)

var modules = set(`fts5 fts5vocab rtree rtree_i32`)

// functions are the platform's. The last line are those that SQLite's own statements of ALTER TABLE call; it lets nobody
// else.
var functions = set(`abs changes char coalesce concat concat_ws format glob hex ifnull iif instr last_insert_rowid length like
	likelihood likely lower ltrim max min nullif octet_length printf quote random randomblob replace round rtrim sign substr
	substring total_changes trim typeof unhex unicode unlikely upper zeroblob
	date time datetime julianday unixepoch strftime timediff current_date current_time current_timestamp
	avg count group_concat string_agg sum total
	row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
	acos acosh asin asinh atan atan2 atanh ceil cos cosh degrees exp floor ln log log2 mod pi pow radians sin sinh sqrt tan tanh trunc
	json jsonb json_array jsonb_array json_array_length json_extract jsonb_extract json_insert jsonb_insert json_object jsonb_object
	json_patch jsonb_patch json_remove jsonb_remove json_replace jsonb_replace json_set jsonb_set json_type json_valid json_quote
	json_group_array jsonb_group_array json_group_object jsonb_group_object -> ->>
	match highlight bm25 snippet rtreecheck
	sqlite_rename_table sqlite_rename_column sqlite_rename_test sqlite_rename_quotefix sqlite_drop_column sqlite_fail`)

// refusedFunctions are on the platform too and refused there; those in neither list are only in our build, and are not
// to be found.
var refusedFunctions = set(`if ceiling log10 power sqlite_version sqlite_source_id sqlite_compileoption_get sqlite_compileoption_used
	sqlite_log subtype unistr unistr_quote json_error_position json_pretty json_array_insert jsonb_array_insert rtreenode rtreedepth
	fts5 fts5_source_id fts5_locale fts5_insttoken load_extension`)

// foreignModules are table-valued functions of our build that the platform does not have.
var foreignModules = []string{"generate_series"}

func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(names) {
		m[name] = true
	}
	return m
}

// reserved tells whether a name belongs to the platform.
func reserved(name string) bool { return len(name) >= 4 && strings.EqualFold(name[:4], "_cf_") }

// authorize decides what an object's statements may do.
func (d *Database) authorize(action sqlite3.AuthorizerActionCode, a, b, schema, _ string) sqlite3.AuthorizerReturnCode {
	d.looking = d.looking || action == sqlite3.AUTH_READ || action == sqlite3.AUTH_UPDATE
	if d.trusted || d.allows(action, a, b, schema) {
		return sqlite3.AUTH_OK
	}
	return sqlite3.AUTH_DENY
}

func (d *Database) allows(action sqlite3.AuthorizerActionCode, a, b, schema string) bool {
	if schema == "temp" { // which is there, and empty; what alters a table looks into it
		return action == sqlite3.AUTH_READ || action == sqlite3.AUTH_UPDATE && d.altering
	}
	switch action {
	case sqlite3.AUTH_TRANSACTION, sqlite3.AUTH_SAVEPOINT:
		d.advice = true
		return false
	case sqlite3.AUTH_ATTACH, sqlite3.AUTH_DETACH,
		sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_TRIGGER, sqlite3.AUTH_CREATE_TEMP_VIEW:
		return false
	case sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_VIEW, sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_VIEW,
		sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE, sqlite3.AUTH_READ:
		return !reserved(a)
	case sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_CREATE_TRIGGER, sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_DROP_TRIGGER: // b is the table
		return !reserved(a) && !reserved(b)
	case sqlite3.AUTH_ALTER_TABLE:
		d.altering = true
		return !reserved(b)
	case sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_VTABLE:
		return !reserved(a) && modules[strings.ToLower(b)]
	case sqlite3.AUTH_PRAGMA:
		name := strings.ToLower(a)
		if d.readOnly && !seen(name, b) {
			return false
		}
		d.session = d.session || b != "" && settings[name]
		return pragmas[name] && !reserved(b) || name == "page_size" && b == ""
	case sqlite3.AUTH_FUNCTION:
		name := strings.ToLower(b)
		if !functions[name] {
			d.missing = !refusedFunctions[name]
			return false
		}
	}
	return true
}
