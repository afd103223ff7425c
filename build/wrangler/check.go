package wrangler

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// problems collects what is wrong, each with file, line and key.
type problems struct {
	file  string
	lines map[string]int
	list  []error
}

// add notes a mistake at the line of path, or of the nearest thing around it that has one.
func (p *problems) add(path, format string, args ...any) {
	at := p.file
	for q := path; ; {
		if line, ok := p.lines[q]; ok && line > 0 {
			at = fmt.Sprintf("%s:%d", p.file, line)
			break
		}
		i := strings.LastIndexAny(q, ".[")
		if i < 0 {
			break
		}
		q = q[:i]
	}
	p.list = append(p.list, fmt.Errorf("%s: %s: %s", at, path, fmt.Sprintf(format, args...)))
}

func (p *problems) err() error { return errors.Join(p.list...) }

var configSchema = reflect.TypeFor[Config]()

// checkObject compares an object with the fields of a struct.
func (p *problems) checkObject(path string, tree map[string]any, t reflect.Type) {
	var known []string
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" {
			known = append(known, name)
			fields[name] = f.Type
		}
	}
	keys := make([]string, 0, len(tree))
	for k := range tree {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		ft, ok := fields[k]
		at := join(path, k)
		switch {
		case ok:
			p.checkValue(at, tree[k], ft)
		case isUnsupported(at):
			p.add(at, "durago does not support this key yet: remove it from the configuration that durago reads")
		default:
			p.add(at, "unknown key%s", suggestion(k, known))
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

// checkValue compares a value with the type of its field. The sentences are wrangler's.
func (p *problems) checkValue(path string, v any, t reflect.Type) {
	want := func(format string, ok bool) {
		if !ok {
			p.add(path, format, path, asJSON(v))
		}
	}
	switch t.Kind() {
	case reflect.String:
		_, ok := v.(string)
		want("Expected %q to be of type string but got %s.", ok)
	case reflect.Bool:
		_, ok := v.(bool)
		want("Expected %q to be of type boolean but got %s.", ok)
	case reflect.Float64:
		_, float := v.(float64)
		_, whole := v.(int64)
		want("Expected %q to be of type number but got %s.", float || whole)
	case reflect.Map, reflect.Struct:
		m, ok := v.(map[string]any)
		want("The field %q should be an object but got %s.", ok)
		if ok && t.Kind() == reflect.Struct {
			p.checkObject(path, m, t)
		}
	case reflect.Slice:
		p.checkList(path, v, t.Elem())
	}
}

func (p *problems) checkList(path string, v any, t reflect.Type) {
	list, ok := elements(v)
	switch {
	case !ok && t.Kind() == reflect.String:
		p.add(path, "Expected %q to be an array of strings but got %s.", path, asJSON(v))
	case !ok:
		p.add(path, "Expected %q to be of type array but got %s.", path, asJSON(v))
	}
	for i, e := range list {
		p.checkValue(fmt.Sprintf("%s[%d]", path, i), e, t)
	}
}

// asJSON is a value as wrangler would print it.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func elements(v any) ([]any, bool) {
	switch x := v.(type) {
	case []any:
		return x, true
	case []map[string]any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = x[i]
		}
		return out, true
	}
	return nil, false
}
