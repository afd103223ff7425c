package wrangler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is a value of the file, or the place where there is none. Values are what JSON has, whatever the format: nil,
// bool, float64, string, []any, map[string]any; and date, which TOML alone has.
type node struct {
	at    string // its key: where diagnostics point
	name  string // what wrangler's sentences call it, which leaves env.NAME out more often than not
	value any
	set   bool
}

// date is a TOML date or time, which stands for no JSON value.
type date string

func (n node) key(k string) node {
	m, _ := n.value.(map[string]any)
	v, ok := m[k]
	return node{join(n.at, k), join(n.name, k), v, ok}
}

// named is the same node under the key that diagnostics show.
func (n node) named() node {
	n.name = n.at
	return n
}

// elements are those of a list; none if it is no list.
func (n node) elements() []node {
	list, _ := n.value.([]any)
	out := make([]node, len(list))
	for i, v := range list {
		index := "[" + strconv.Itoa(i) + "]"
		out[i] = node{n.at + index, n.name + index, v, true}
	}
	return out
}

// kind is JavaScript's typeof.
func (n node) kind() string {
	if !n.set {
		return "undefined"
	}
	switch n.value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	}
	return "object"
}

func (n node) isObject() bool {
	_, ok := n.value.(map[string]any)
	return ok
}

func (n node) isList() bool {
	_, ok := n.value.([]any)
	return ok
}

// isNothing is what ?? of JavaScript passes over.
func (n node) isNothing() bool { return n.value == nil }

func (n node) text() string {
	s, _ := n.value.(string)
	return s
}

// keys of an object in the order of the file, which is JavaScript's.
func (p *problems) keys(n node) []string {
	m, _ := n.value.(map[string]any)
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if c := p.places[join(n.at, a)].compare(p.places[join(n.at, b)]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return keys
}

// show is JSON.stringify, as wrangler's sentences have it.
func (p *problems) show(n node) string {
	if !n.set {
		return "undefined"
	}
	switch v := n.value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range n.elements() {
			parts[i] = p.show(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		var parts []string
		for _, k := range p.keys(n) {
			parts = append(parts, showJSON(k)+":"+p.show(n.key(k)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return showJSON(n.value)
}

func showJSON(v any) string {
	if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return "null"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(b.String())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// plain makes what the TOML library returns the values of a node.
func plain(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = plain(x[k])
		}
	case []map[string]any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = plain(x[i])
		}
		return list
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	case int64:
		return float64(x)
	case time.Time:
		return date(dateText(x))
	}
	return v
}

func dateText(t time.Time) string {
	switch t.Location().String() { // the library's names for what TOML calls local
	case "date-local":
		return t.Format(time.DateOnly)
	case "time-local":
		return t.Format("15:04:05.000")
	case "datetime-local":
		return t.Format("2006-01-02T15:04:05.000")
	}
	return t.Format("2006-01-02T15:04:05.000Z07:00")
}
