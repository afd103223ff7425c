package conformance_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest/conformance"
)

// defects has for each table a way in which a host could be wrong: the host is given another line than the row has, and
// so answers wrongly under the row's name.
var defects = map[string]struct{ what, id, line, wrong string }{
	"alarms":         {"an alarm runs early", "alarms.runs", "alarm.set 1s", "alarm.set 50ms"},
	"bookmarks":      {"a bookmark outlives its transaction", "bookmarks.transaction", "} fail", "}"},
	"gates":          {"an event passes the gate", "gates.section.holds", "block {", "go {"},
	"ids":            {"an id of the wrong sum is read", "ids.parse.mac_changed", "c15da961384caadd6e628102bd4665ac0", "c15da961384caadd6e628102bd4665acf"},
	"kv":             {"a limit is one too many", "kv.sync.list.limit", `"Limit": 2`, `"Limit": 3`},
	"lifecycle":      {"an object leaves memory when its handler fails", "lifecycle.stays.error", "fail on purpose", "abort on purpose"},
	"rpc":            {"a flag is lost on the way", "rpc.flags.retryable", `"retryable": true`, `"retryable": false`},
	"state":          {"an abort keeps what was not committed", "state.abort.text", "abort on purpose", "sync"},
	"calls":          {"a stub is dropped too early", "calls.target.not_kept", "lend keep", "lend keep dup"},
	"layout":         {"a table has another name", "layout.kv", `kv.put "a" 1`, "sql CREATE TABLE kv (key)"},
	"sockets":        {"one tag is too many too late", "sockets.tags.eleven", `"a", "b"]`, `"a"]`},
	"sql-authorizer": {"one more pragma is allowed", "sql.authorizer.pragma.denied.user_version", "PRAGMA user_version", "SELECT 0"},
	"sql-binding":    {"a number binds as INTEGER", "sql.binding.value.int", "typeof(?1), quote(?1)", "typeof(CAST(?1 AS INTEGER)), quote(CAST(?1 AS INTEGER))"},
	"sql-limits":     {"a pattern may be longer", "sql.limits.like", "«a×51»", "«a×50»"},
	"sql-results":    {"a row is not counted", "sql.results.counts.scan", "SELECT * FROM t", "SELECT * FROM t WHERE id < 5"},
	"sql-statements": {"an earlier statement is undone", "sql.statements.several.fail", "INSERT INTO t VALUES (1); ", ""},
	"stubs":          {"an object knows a longer name", "stubs.id.own_name", "1025", "1024"},
	"transactions":   {"a failed transaction stays", "transactions.transaction.undone_by_an_error", "} fail", "}"},
	"values":         {"-0 loses its sign", "values.round.float_negative_zero", `{"$float": "-0"}`, "0"},
}

// TestConformance_defects: a wrong answer is found, and said to be of its row.
func TestConformance_defects(t *testing.T) {
	t.Parallel()
	l := load(t)
	p := start(t, false)
	for _, table := range l.Tables {
		t.Run(table.Name, func(t *testing.T) {
			d, ok := defects[table.Name]
			require.True(t, ok, "the table has no defect")
			recorded, err := conformance.Read(recording(table))
			require.NoError(t, err)
			p.t = t
			found := conformance.Compare(recorded, defective(t, p, table, recorded, d.id, d.line, d.wrong), true)
			require.NotEmpty(t, found, d.what)
			for _, m := range found {
				require.Equal(t, d.id, m.ID, "%v", m)
			}
			right := defective(t, p, table, recorded, d.id, d.line, d.line)
			require.Empty(t, conformance.Compare(recorded, right, true))
		})
	}
}

// defective is what the host answers to a table, as recorded but for one row, in whose script a part is another.
func defective(t *testing.T, p *player, table *conformance.Table, recorded []conformance.Recorded, id, line, wrong string) (out []conformance.Answer) {
	t.Helper()
	for _, r := range recorded {
		if a := r.Answer; a.ID != id {
			if r.Differ {
				a.Got = r.Host
			}
			out = append(out, a)
		}
	}
	for _, row := range table.Rows {
		if row.ID != id {
			continue
		}
		require.Contains(t, row.Do, line)
		changed := *row
		changed.Do = strings.ReplaceAll(row.Do, line, wrong)
		if wrong != line {
			changed.ID += ".defect" // an object of its own
		}
		asked := asserted(recorded, id)
		for i, a := range p.play(&changed) {
			if a.ID = id; i < len(asked) {
				a.Line = asked[i] // what it takes itself to have been asked
			}
			out = append(out, a)
		}
	}
	return out
}

func asserted(recorded []conformance.Recorded, id string) (lines []string) {
	for _, r := range recorded {
		if r.ID == id {
			lines = append(lines, r.Line)
		}
	}
	return lines
}
