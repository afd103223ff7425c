package abi

import (
	"fmt"
	"net/url"
	"strings"
)

// Route is a pattern taken apart: the host matches it, and the shim does the same in JavaScript.
type Route struct {
	Method   string   // empty: any
	Segments []string // an empty one is the object's name
	Rest     bool     // further segments may follow
}

// ParseRoute reads a pattern as http.ServeMux has them, as far as routes go: "[METHOD ]/path" whose segments are texts,
// exactly one {name}, and at the end possibly a {rest...}. A pattern that ends in a slash is refused.
func ParseRoute(pattern string) (Route, error) {
	bad := func(why string) (Route, error) {
		return Route{}, fmt.Errorf("the route %q %s: want something like \"/room/{name}\" or \"POST /limit/{key}\"", pattern, why)
	}
	var r Route
	path := pattern
	if method, rest, ok := strings.Cut(pattern, " "); ok {
		r.Method, path = method, strings.TrimLeft(rest, " ")
	}
	if r.Method != strings.ToUpper(r.Method) {
		return bad("has a method that is not in capitals")
	}
	if !strings.HasPrefix(path, "/") {
		return bad("does not begin with a slash")
	}
	named := false
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		inside, wildcard := strings.CutPrefix(s, "{")
		inside, closed := strings.CutSuffix(inside, "}")
		switch {
		case !wildcard && (s == "" || s == "." || s == ".." || strings.ContainsAny(s, "{}%?#")):
			return bad("has a segment that no path has as it is")
		case !wildcard:
			r.Segments = append(r.Segments, s)
		case !closed || inside == "" || inside == "$":
			return bad("has a wildcard that is not {name} or {rest...}")
		case strings.HasSuffix(inside, "..."):
			if i != len(segments)-1 {
				return bad("goes on after {rest...}")
			}
			r.Rest = true
		case named:
			return bad("has two names")
		default:
			named = true
			r.Segments = append(r.Segments, "")
		}
	}
	if !named {
		return bad("names no object")
	}
	return r, nil
}

// Match finds the object's name in a path as it stands in a request, escaped.
func (r *Route) Match(method, path string) (name string, ok bool) {
	if r.Method != "" && r.Method != method && !(r.Method == "GET" && method == "HEAD") {
		return "", false
	}
	for _, want := range r.Segments {
		if path == "" || path[0] != '/' {
			return "", false
		}
		segment := path[1:]
		if i := strings.IndexByte(segment, '/'); i >= 0 {
			segment = segment[:i]
		}
		path = path[1+len(segment):]
		got, err := url.PathUnescape(segment)
		switch {
		case err != nil || got == "" || got == "/" || segment == "." || segment == "..":
			return "", false
		case want == "":
			name = got
		case want != got:
			return "", false
		}
	}
	if over := path != "" && path[0] == '/'; over != r.Rest || !over && path != "" {
		return "", false
	}
	return name, true
}
