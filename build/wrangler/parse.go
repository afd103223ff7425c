package wrangler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"
)

// exact is the largest whole number up to which all are numbers of JavaScript.
const exact = 1<<53 - 1

// parse reads either format as a tree, and notes the place of each key.
func (p *problems) parse(b []byte) (node, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if strings.HasSuffix(p.file, ".toml") {
		return p.parseTOML(b)
	}
	v, err := hujson.Parse(bytes.Clone(b)) // which Standardize writes to
	if err != nil {
		return node{}, p.jsonError(b, err)
	}
	p.placeJSON(b, "", &v)
	v.Standardize()
	var tree map[string]any
	if err := json.Unmarshal(v.Pack(), &tree); err != nil || tree == nil {
		at := p.places[""]
		return node{}, p.syntax(at.line, at.column, "want an object, got something else")
	}
	return node{value: tree, set: true}, nil
}

func (p *problems) parseTOML(b []byte) (node, error) {
	var tree map[string]any
	if _, err := toml.Decode(string(b), &tree); err != nil {
		var e toml.ParseError
		if !errors.As(err, &e) {
			return node{}, p.syntax(0, 0, err.Error())
		}
		// The library counts columns in bytes, puts an error at the end of what it has read, and may count a line too many.
		at := placeOf(b, min(max(0, e.Position.Start), len(b)))
		if line := min(e.Position.Line, placeOf(b, len(b)).line); line > 0 && line != at.line {
			at = place{line, 1}
		}
		return node{}, p.syntax(at.line, at.column, e.Message)
	}
	p.places = tomlPlaces(string(b))
	if tree == nil {
		tree = map[string]any{}
	}
	p.exactNumbers("", tree)
	return node{value: plain(tree), set: true}, nil
}

// exactNumbers finds whole numbers that JavaScript does not have.
func (p *problems) exactNumbers(key string, v any) {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			p.exactNumbers(join(key, k), x[k])
		}
	case []map[string]any:
		for i := range x {
			p.exactNumbers(fmt.Sprintf("%s[%d]", key, i), x[i])
		}
	case []any:
		for i := range x {
			p.exactNumbers(fmt.Sprintf("%s[%d]", key, i), x[i])
		}
	case int64:
		if x > exact || x < -exact {
			p.own(key, "the number %d is beyond what JavaScript keeps exactly, which is up to %d: make it a string", x, exact)
		}
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			p.own(key, "JSON has no %v: make it a string", x)
		}
	}
}

func (p *problems) syntax(line, column int, text string) error {
	return &Error{Mistakes: []Diagnostic{{File: p.file, Line: line, Column: column, Text: strings.Join(strings.Fields(text), " "), Own: true}}}
}

// jsonError moves the position that hujson tells to where other errors have theirs.
func (p *problems) jsonError(b []byte, err error) error {
	var line, column int
	text := err.Error()
	if _, scanned := fmt.Sscanf(text, "hujson: line %d, column %d:", &line, &column); scanned != nil {
		return p.syntax(0, 0, text)
	}
	_, text, _ = strings.Cut(text, ": line ")
	_, text, _ = strings.Cut(text, ": ")
	if lines := bytes.Split(b, []byte("\n")); line <= len(lines) {
		column = 1 + utf8.RuneCount(lines[line-1][:min(column-1, len(lines[line-1]))])
	}
	return p.syntax(line, column, text)
}

// placeOf turns an offset into a line and a column.
func placeOf(b []byte, offset int) place {
	before := b[:min(offset, len(b))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return place{1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])}
}

// placeJSON notes the place of each value under its key, and keys that stand twice.
func (p *problems) placeJSON(b []byte, key string, v *hujson.Value) {
	p.places[key] = placeOf(b, v.StartOffset)
	switch x := v.Value.(type) {
	case *hujson.Object:
		seen := map[string]bool{}
		for i := range x.Members {
			m := &x.Members[i]
			name := m.Name.Value.(hujson.Literal).String()
			at := join(key, name)
			p.placeJSON(b, at, &m.Value)
			p.places[at] = placeOf(b, m.Name.StartOffset)
			if seen[name] {
				p.own(at, "the key stands twice")
			}
			seen[name] = true
		}
	case *hujson.Array:
		for i := range x.Elements {
			p.placeJSON(b, key+"["+strconv.Itoa(i)+"]", &x.Elements[i])
		}
	}
}
