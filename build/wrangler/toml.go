package wrangler

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// tomlPlaces finds where each key, table and list element of a valid TOML document begins, under the key that diagnostics
// name: `durable_objects.bindings[1].name`. The TOML library keeps positions to itself and has none for elements.
//
// It walks the document's tokens and leaves out what positions do not need: it never looks into a string or a number.
// On a document that is not valid its answer means nothing, but it ends.
func tomlPlaces(s string) map[string]place {
	w := &tomlWalk{s: s, line: 1, places: map[string]place{}, length: map[string]int{}}
	for w.space(); w.more(); w.space() {
		if w.s[w.at] == '[' {
			w.header()
			continue
		}
		w.pair(w.table)
	}
	return w.places
}

type tomlWalk struct {
	s      string
	at     int
	line   int
	start  int              // of the line
	table  string           // the path that keys at the start of a line belong to
	places map[string]place // by path
	length map[string]int   // of each list of tables, by its path
}

func (w *tomlWalk) more() bool { return w.at < len(w.s) }

// skip moves on by n bytes and counts lines.
func (w *tomlWalk) skip(n int) {
	n = min(n, len(w.s)-w.at)
	passed := w.s[w.at : w.at+n]
	if i := strings.LastIndexByte(passed, '\n'); i >= 0 {
		w.line += strings.Count(passed, "\n")
		w.start = w.at + i + 1
	}
	w.at += n
}

func (w *tomlWalk) here() place {
	return place{w.line, 1 + utf8.RuneCountInString(w.s[w.start:w.at])}
}

// space skips blanks, ends of lines and comments.
func (w *tomlWalk) space() {
	for w.more() {
		switch w.s[w.at] {
		case ' ', '\t', '\r', '\n':
			w.skip(1)
		case '#':
			w.skip(lengthTo(w.s[w.at:], "\n"))
		default:
			return
		}
	}
}

// lengthTo is how many bytes come before the first of chars.
func lengthTo(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// header reads [a.b] or [[a.b]]. A part that is a list of tables means its last element.
func (w *tomlWalk) header() {
	bracket := w.here()
	list := strings.HasPrefix(w.s[w.at:], "[[")
	w.skip(1)
	if list {
		w.skip(1)
	}
	parts := w.key()
	path := ""
	for i, part := range parts {
		path = join(path, part.name)
		n := w.length[path]
		if i == len(parts)-1 && list {
			w.length[path]++
			if n == 0 {
				w.places[path] = part.at
			}
			path += "[" + strconv.Itoa(n) + "]"
		} else if n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
		}
		if _, ok := w.places[path]; !ok {
			w.places[path] = part.at
		}
	}
	if list {
		w.places[path] = bracket
	}
	w.table = path
	w.skip(lengthTo(w.s[w.at:], "\n"))
}

// pair reads key = value.
func (w *tomlWalk) pair(table string) {
	path := table
	for _, part := range w.key() {
		path = join(path, part.name)
		if _, ok := w.places[path]; !ok {
			w.places[path] = part.at
		}
	}
	w.skip(1) // the equals sign
	w.value(path)
}

// tomlKey is a part of a dotted key.
type tomlKey struct {
	name string
	at   place
}

// key reads a dotted key up to what ends it: an equals sign or a bracket.
func (w *tomlWalk) key() (parts []tomlKey) {
	for w.more() {
		w.space()
		at, rest := w.here(), w.s[w.at:]
		var part string
		if n := stringLength(rest); n > 1 {
			part = unquoteKey(rest[:n])
			w.skip(n)
		} else {
			n := lengthTo(rest, " \t.=]\n")
			part = rest[:n]
			w.skip(n)
		}
		parts = append(parts, tomlKey{part, at})
		w.space()
		if !w.more() || w.s[w.at] != '.' {
			break
		}
		w.skip(1)
	}
	return parts
}

// unquoteKey leaves escapes to the library: TOML has some that Go does not have.
func unquoteKey(s string) string {
	var m map[string]any
	if strings.Contains(s, `\`) && s[0] == '"' {
		if _, err := toml.Decode(s+" = 0", &m); err == nil && len(m) == 1 {
			for k := range m {
				return k
			}
		}
	}
	return s[1 : len(s)-1]
}

// value reads one value, and the positions of what is in it.
func (w *tomlWalk) value(path string) {
	w.space()
	if !w.more() {
		return
	}
	rest := w.s[w.at:]
	switch {
	case stringLength(rest) > 0:
		w.skip(stringLength(rest))
	case rest[0] == '[':
		w.skip(1)
		w.until(']', func(i int) {
			at := path + "[" + strconv.Itoa(i) + "]"
			w.places[at] = w.here()
			w.value(at)
		})
	case rest[0] == '{':
		w.skip(1)
		w.until('}', func(int) { w.pair(path) })
	default:
		w.skip(max(1, lengthTo(rest, ",]}#\n")))
	}
}

// until reads elements with commas between them, up to and with the bracket.
func (w *tomlWalk) until(end byte, element func(i int)) {
	for i := 0; ; i++ {
		w.space()
		if !w.more() || w.s[w.at] == end {
			w.skip(1)
			return
		}
		element(i)
		w.space()
		if w.more() && w.s[w.at] == ',' {
			w.skip(1)
		}
	}
}

// stringLength is the length of the string that s begins with, with its quotes, or 0 if it begins with none.
func stringLength(s string) int {
	for _, quote := range []string{`"""`, "'''", `"`, `'`} {
		if !strings.HasPrefix(s, quote) {
			continue
		}
		for i := len(quote); i < len(s); i++ {
			switch {
			case s[i] == '\\' && quote[0] == '"':
				i++
			case strings.HasPrefix(s[i:], quote):
				i += len(quote)
				for len(quote) == 3 && i < len(s) && s[i] == quote[0] { // one or two quotes may stand before the end
					i++
				}
				return i
			}
		}
		return len(s)
	}
	return 0
}
