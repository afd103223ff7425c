package wrangler

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// problems collects what is wrong, each with file, line and key.
type problems struct {
	file  string
	lines map[string]int
	list  []error
}

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

// unsupported are keys that wrangler has and durago does not run yet.
var unsupported = strings.Fields(`env exports route routes assets services r2_buckets d1_databases queues ai images containers browser
	hyperdrive vectorize workflows analytics_engine_datasets mtls_certificates dispatch_namespaces send_email secrets secrets_store_secrets
	tail_consumers version_metadata unsafe define alias site wasm_modules text_blobs data_blobs pipelines ratelimits worker_loaders
	tsconfig jsx_factory jsx_fragment minify keep_names upload_source_maps logpush cache first_party_worker compliance_region keep_vars previews`)

// checkObject compares an object with the fields of a struct.
func (p *problems) checkObject(path string, tree map[string]any, t reflect.Type) {
	var known []string
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("json")
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
		case path == "" && slices.Contains(unsupported, k):
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

func (p *problems) checkValue(path string, v any, t reflect.Type) {
	want := ""
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return
	case reflect.String:
		if _, ok := v.(string); !ok {
			want = "a string"
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			want = "true or false"
		}
	case reflect.Float64:
		switch v.(type) {
		case float64, int64:
		default:
			want = "a number"
		}
	case reflect.Map:
		if _, ok := v.(map[string]any); !ok {
			want = "a table"
		}
	case reflect.Struct:
		if m, ok := v.(map[string]any); ok {
			p.checkObject(path, m, t)
		} else {
			want = "a table"
		}
	case reflect.Slice:
		list, ok := elements(v)
		if !ok {
			want = "a list"
			break
		}
		for i, e := range list {
			p.checkValue(fmt.Sprintf("%s[%d]", path, i), e, t.Elem())
		}
	}
	if want != "" {
		p.add(path, "want %s, got %v", want, v)
	}
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

var (
	workerName = regexp.MustCompile(`^[a-z0-9_][a-z0-9-_]*$`)
	identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
	date       = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// validate checks what the shape alone does not say.
func (p *problems) validate(c *Config) {
	if !workerName.MatchString(c.Name) {
		p.add("name", `Expected "name" to be of type string, alphanumeric and lowercase with dashes only but got %q.`, c.Name)
	}
	if !date.MatchString(c.CompatibilityDate) {
		p.add("compatibility_date", "want a date such as 2026-11-17, got %q", c.CompatibilityDate)
	}
	names := map[string]string{}
	bind := func(path, name, what string) {
		if !identifier.MatchString(name) {
			p.add(path, "want a name such as COUNTER, got %q", name)
		}
		if other, taken := names[name]; taken {
			p.add(path, "%s assigned to %s and %s bindings. Bindings must have unique names, so that they can all be referenced in the worker.", name, other, what)
		}
		names[name] = what
	}
	classes := map[string]bool{}
	for _, k := range c.Classes() {
		classes[k.Name] = true
	}
	for i, b := range c.DurableObjects.Bindings {
		path := fmt.Sprintf("durable_objects.bindings[%d]", i)
		bind(path+".name", b.Name, "Durable Object")
		switch {
		case b.ClassName == "":
			p.add(path, `binding should have a string "class_name" field.`)
		case b.ScriptName != "" && b.ScriptName != c.Name:
			p.add(path+".script_name", "durago runs one worker so far: declare the class %s here, or remove the binding", b.ClassName)
		case !classes[b.ClassName]:
			p.add(path+".class_name", "the class %s is not declared: add [[migrations]] with tag and new_sqlite_classes = [%q]", b.ClassName, b.ClassName)
		}
	}
	for i, k := range c.KVNamespaces {
		bind(fmt.Sprintf("kv_namespaces[%d].binding", i), k.Binding, "KV Namespace")
	}
	for name := range c.Vars {
		bind("vars."+name, name, "Environment Variable")
	}
	tags := map[string]bool{}
	for i, m := range c.Migrations {
		path := fmt.Sprintf("migrations[%d]", i)
		if m.Tag == "" {
			p.add(path, `"migrations[%d].tag" is a required field.`, i)
		}
		if tags[m.Tag] {
			p.add(path+".tag", "the tag %q stands twice", m.Tag)
		}
		tags[m.Tag] = true
	}
	if c.Limits.CPUMS < 0 || c.Limits.CPUMS > 300_000 {
		p.add("limits.cpu_ms", "want 1 to 300000, got %v", c.Limits.CPUMS)
	}
}
