package wrangler

import (
	"fmt"
	"slices"
	"strings"
)

// The checks here are those of wrangler's validation-helpers.ts, with its sentences. Each tells whether all was well.
// https://github.com/cloudflare/workers-sdk/blob/main/packages/workers-utils/src/config/validation-helpers.ts

// kind checks the type of a key that may be missing.
func (p *problems) kind(n node, kind string, choices ...string) bool {
	return !n.set || p.required(n, kind, choices...)
}

// required checks the type of a key that must be there.
func (p *problems) required(n node, kind string, choices ...string) bool {
	switch {
	case !n.set:
		p.wrong(around(n.at), "%q is a required field.", n.name)
		return false
	case n.kind() != kind:
		p.wrong(n.at, `Expected "%s" to be of type %s but got %s.`, n.name, kind, p.show(n))
		return false
	case len(choices) > 0 && !slices.Contains(choices, n.text()):
		p.wrong(n.at, `Expected "%s" field to be one of %s but got %s.`, n.name, showJSON(choices), p.show(n))
		return false
	}
	return true
}

// listOf checks a list that may be missing, and the type of its elements.
func (p *problems) listOf(n node, kind string) bool {
	if !n.set {
		return true
	}
	if !n.isList() {
		p.wrong(n.at, `Expected "%s" to be an array of %ss but got %s`, n.name, kind, p.show(n))
		return false
	}
	ok := true
	for i, e := range n.elements() {
		e.name = fmt.Sprintf("%s.[%d]", n.name, i) // a dot too many, as in wrangler
		ok = p.required(e, kind) && ok
	}
	return ok
}

// strings checks a list of strings as a whole.
func (p *problems) strings(n node) bool {
	bad := n.set && !n.isList()
	for _, e := range n.elements() {
		bad = bad || e.kind() != "string"
	}
	if bad {
		p.wrong(n.at, `Expected "%s" to be of type string array but got %s.`, n.name, p.show(n))
	}
	return !bad
}

// object checks what must be an object if it is there.
func (p *problems) object(n node) bool {
	if n.set && !n.isObject() {
		p.wrong(n.at, `The field "%s" should be an object but got %s.`, n.name, p.show(n))
		return false
	}
	return n.set
}

// anyOf checks that one of several keys has a type, if they need not all be there.
func (p *problems) anyOf(n node, kind string, keys ...string) bool {
	var names []string
	var nodes []node
	set := false
	for _, k := range keys {
		at := n
		for part := range strings.SplitSeq(k, ".") {
			at = at.key(part)
		}
		if at.kind() == kind {
			return true
		}
		set = set || at.set
		nodes = append(nodes, at)
		names = append(names, `"`+at.name+`"`)
	}
	if !set {
		p.wrong(n.at, "%s is required.", strings.Join(names, " or "))
		return false
	}
	for _, at := range nodes { // those that are not there too, as in wrangler
		p.wrong(at.at, `Expected "%s" to be of type %s but got %s.`, at.name, kind, p.show(at))
	}
	return false
}

// only refuses keys of an object that are not among those named: wrangler warns of them.
func (p *problems) only(n node, known ...string) {
	for _, k := range p.keys(n) {
		if at := join(n.at, k); !slices.Contains(known, k) {
			p.own(at, "unknown key%s", suggestion(k, known))
		}
	}
}

// unsupported refuses keys that wrangler has and durago does not. They are refused by name, so that nobody takes a worker
// without them for the whole one.
func (p *problems) unsupported(n node, keys ...string) {
	for _, k := range keys {
		if at := n.key(k); at.set {
			p.own(at.at, "durago does not support this key yet: remove it from the configuration that durago reads")
		}
	}
}

// idle names keys that wrangler's local server has a use for and durago's has none.
func (p *problems) idle(n node, keys ...string) {
	for _, k := range keys {
		if at := n.key(k); at.set {
			p.note(at.at, "the key has no effect on durago run")
		}
	}
}

func suggestion(key string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(key, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is how many characters must be written, dropped or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// english joins names as wrangler does.
func english(names []string) string {
	switch n := len(names); n {
	case 0, 1:
		return strings.Join(names, "")
	case 2:
		return names[0] + " and " + names[1]
	default:
		return strings.Join(names[:n-1], ", ") + ", and " + names[n-1]
	}
}
