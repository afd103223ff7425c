package sqldb

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
)

// statement is what the driver has to know of a text: of its last statement, that is, which has the arguments and the
// result.
type statement struct {
	params  []string            // by position: the name with its sign, or empty
	words   map[string]struct{} // lower case: all that may be the name of a table
	changes bool                // it is an INSERT, REPLACE, UPDATE or DELETE
	defines bool                // a statement of the text may change the schema

	types []string // of the result's columns, as declared; nil if not known yet. Guarded by database.mu
}

// parse reads a text. It need not understand it: what is no SQL is the database's to refuse.
func parse(text string) *statement {
	s := &statement{words: map[string]struct{}{}}
	l := lexer{text: text}
	for verb, depth, begun := "", 0, false; ; {
		kind, token := l.next()
		if kind == end {
			return s
		}
		if kind == sign && token == ";" {
			begun = false
			continue
		}
		if !begun { // only the last counts
			s.params, s.changes, verb, depth, begun = nil, false, "", 0, true
			clear(s.words)
		}
		switch kind {
		case word:
			token = strings.ToLower(token)
			if verb == "" || verb == "with" && depth == 0 && slices.Contains(verbs, token) {
				verb = token
				s.changes = slices.Contains(verbs[2:], verb)
				s.defines = s.defines || verb == "create" || verb == "alter" || verb == "drop"
			}
			s.words[token] = struct{}{}
		case quoted:
			s.words[strings.ToLower(token)] = struct{}{}
		case parameter:
			s.param(token)
		case sign:
			switch token {
			case "(":
				depth++
			case ")":
				depth--
			}
		}
	}
}

// verbs may follow the tables of a WITH; from the third on they change rows.
var verbs = []string{"select", "values", "insert", "replace", "update", "delete"}

// maxParams is more than the platform takes.
const maxParams = 1000

// param numbers a parameter as SQLite does: ? comes after the greatest so far, a name where it was first.
func (s *statement) param(token string) {
	n := len(s.params) + 1
	switch {
	case token[0] != '?':
		if slices.Contains(s.params, token) {
			return
		}
		s.params = append(s.params, token)
		return
	case len(token) > 1:
		n = 0
		for _, c := range []byte(token[1:]) {
			if n = n*10 + int(c-'0'); n > maxParams {
				return
			}
		}
	}
	for len(s.params) < n {
		s.params = append(s.params, "")
	}
}

// bind puts named arguments into the order of the parameters. Positional ones are as they are: that there are as many as
// parameters is the platform's to see.
func (s *statement) bind(named []driver.NamedValue) ([]any, error) {
	args := make([]any, len(named))
	names := 0
	for i, a := range named {
		args[i] = a.Value
		if a.Name != "" {
			names++
		}
	}
	switch names {
	case 0:
		return args, nil
	case len(named):
	default:
		return nil, fmt.Errorf("sqldb: %d of %d arguments have names: name all or none", names, len(named))
	}
	args = make([]any, len(s.params))
	used := make([]bool, len(named))
	for i, p := range s.params {
		if p == "" {
			return nil, fmt.Errorf("sqldb: parameter %d has no name, but the arguments have: name all or none", i+1)
		}
		at := slices.IndexFunc(named, func(a driver.NamedValue) bool { return a.Name == p[1:] })
		if at < 0 {
			return nil, fmt.Errorf("sqldb: there is no argument for the parameter %s", p)
		}
		args[i], used[at] = named[at].Value, true
	}
	if at := slices.Index(used, false); at >= 0 {
		return nil, fmt.Errorf("sqldb: the statement has no parameter for the argument %s", named[at].Name)
	}
	return args, nil
}
