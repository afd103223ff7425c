package wrangler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Export declares what the worker exports under a name: a Durable Object, or an entrypoint. Of Durable Objects it says how their class came to be, or went:
// the newer way to say what migrations say.
type Export struct {
	Type          string `json:"type"`
	State         string `json:"state"`   // "" is created
	Storage       string `json:"storage"` // sqlite or legacy-kv
	RenamedTo     string `json:"renamed_to"`
	TransferredTo string `json:"transferred_to"`
	TransferFrom  string `json:"transfer_from"`
}

func checkExports(s *scope, n node) {
	if n.isNothing() {
		return
	}
	if !n.isObject() {
		s.wrong(n.at, `The optional "%s" field should be an object keyed by class name, but got %s`, n.name, s.show(n))
		return
	}
	for _, name := range s.keys(n) {
		e := n.key(name)
		switch kind := e.key("type"); {
		case e.kind() != "object" || e.isNothing():
			s.wrong(e.at, `"%s" should be an object but got %s.`, e.name, s.show(e))
		case kind.text() == "durable-object":
			checkExport(s, name, e)
		case kind.text() == "worker":
			s.unsupported(e, "cache")
			s.only(e, "type", "cache")
		case kind.text() == "workflow":
			s.own(kind.at, "durago does not export a workflow yet: remove the entry from the configuration that durago reads")
		default:
			s.wrong(cmp.Or(kind.at, e.at), `"%s.type" must be "durable-object", "worker", or "workflow", but got %s.`, e.name, s.show(kind))
		}
	}
}

// exportKeys are the keys that an export may have in each state, in the order of wrangler's sentence.
var exportKeys = map[string][]string{
	"created":            {"type", "state", "storage", "container"},
	"deleted":            {"type", "state"},
	"renamed":            {"type", "state", "renamed_to"},
	"transferred":        {"type", "state", "transferred_to"},
	"expecting-transfer": {"type", "state", "storage", "transfer_from", "container"},
}

func checkExport(s *scope, name string, e node) {
	if name == "" {
		s.wrong(e.at, `"export" keys cannot be the empty string.`)
	}
	state := "created"
	if v := e.key("state"); v.set {
		state = v.text()
		if exportKeys[state] == nil {
			s.wrong(v.at, `"%s" must be one of "created", "deleted", "renamed", "transferred", or "expecting-transfer" but got %s.`, v.name, s.show(v))
			return
		}
	}
	named := func(key string) string {
		v := e.key(key)
		if v.text() == "" {
			s.wrong(v.at, `"%s" is required for state "%s" and must be a non-empty string.`, v.name, state)
		}
		return v.text()
	}
	switch state {
	case "created", "expecting-transfer":
		if v := e.key("storage"); v.value != "sqlite" && v.value != "legacy-kv" {
			s.wrong(v.at, `"%s" is required for state "%s" and must be one of sqlite and legacy-kv, but got %s`, v.name, state, s.show(v))
		} else if v.value == "legacy-kv" {
			s.own(v.at, "the class %s would be kept in the older storage without SQL, which durago's objects cannot do without: make it sqlite", name)
		}
		if state == "expecting-transfer" {
			named("transfer_from")
		}
		s.unsupported(e, "container")
	case "renamed":
		if to := named("renamed_to"); to == name && name != "" {
			s.wrong(e.key("renamed_to").at, `"%s" cannot equal the source class name "%s".`, e.key("renamed_to").name, name)
		} else if to != "" && !identifier.MatchString(to) {
			s.wrong(e.key("renamed_to").at, `"%s" must be a valid JavaScript identifier (got "%s").`, e.key("renamed_to").name, to)
		}
	case "transferred":
		named("transferred_to")
	}
	forbidden := false
	for _, k := range s.keys(e) {
		if !slices.Contains(exportKeys[state], k) {
			forbidden = true
			s.wrong(e.key(k).at, `"%s" is forbidden on state "%s".`, e.key(k).name, state)
		}
	}
	if forbidden {
		s.wrong(e.at, "Allowed properties are: %s.", english(exportKeys[state]))
	}
}

// declare adds what exports say.
func (l *Lifecycle) declare(exports map[string]Export, own func(key, format string, args ...any)) {
	live := func(e Export) bool {
		return e.Type == "durable-object" && (e.State == "" || e.State == "created" || e.State == "expecting-transfer")
	}
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		e := exports[name]
		switch {
		case live(e):
			l.Classes = append(l.Classes, l.class(name, e.Storage == "sqlite"))
		case e.Type != "durable-object":
		case e.State == "renamed":
			if !live(exports[e.RenamedTo]) {
				own(fmt.Sprintf("exports.%s.renamed_to", name), "the class %s is not declared: add it to exports too, as the class that lives on", e.RenamedTo)
			}
			l.Renamed = append(l.Renamed, Rename{name, e.RenamedTo})
		default: // deleted, or another worker's by now
			l.Deleted = append(l.Deleted, name)
		}
	}
}
