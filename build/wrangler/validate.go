package wrangler

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"time"
)

var (
	workerName = regexp.MustCompile(`^[a-z0-9_][a-z0-9-_]*$`)
	identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
)

// moduleTypes are the kinds of modules that a rule may name.
var moduleTypes = []string{"ESModule", "CommonJS", "CompiledWasm", "Text", "Data"}

// validate checks what the shape alone does not say. Where wrangler has the check too, the sentence is wrangler's.
func (p *problems) validate(c *Config) {
	if !workerName.MatchString(c.Name) {
		p.add("name", `Expected "name" to be of type string, alphanumeric and lowercase with dashes only but got %q.`, c.Name)
	}
	if _, err := time.Parse(time.DateOnly, c.CompatibilityDate); err != nil {
		p.add("compatibility_date", "want a date such as 2026-11-17, got %q", c.CompatibilityDate)
	}
	p.validateMigrations(c)
	p.validateBindings(c)
	for i, r := range c.Rules {
		if !slices.Contains(moduleTypes, r.Type) {
			p.add(fmt.Sprintf("rules[%d]", i), `bindings should have a string "type" field, which contains one of "ESModule", "CommonJS", "CompiledWasm", "Text", or "Data".`)
		}
	}
	if c.Limits.CPUMS < 0 || c.Limits.CPUMS > 300_000 {
		p.add("limits.cpu_ms", "want 1 to 300000, got %v", c.Limits.CPUMS)
	}
	if n := c.Dev.Port; n < 0 || n > 65535 || n != math.Trunc(n) {
		p.add("dev.port", "want a whole number from 1 to 65535, got %v", n)
	}
}

// validateBindings checks names, which all kinds of bindings share, and that each class is there.
func (p *problems) validateBindings(c *Config) {
	names := map[string]string{}
	bind := func(path, key, name, what string) {
		if name == "" {
			p.add(path, "binding should have a string %q field.", key)
			return
		}
		if key != "" {
			path += "." + key
		}
		if !identifier.MatchString(name) {
			p.add(path, "want a name such as COUNTER, got %q", name)
		}
		other, taken := names[name]
		names[name] = what
		if !taken {
			return
		}
		kinds := other + " and " + what
		if other == what {
			kinds = "multiple " + what
		}
		p.add(path, "%s assigned to %s bindings. Bindings must have unique names, so that they can all be referenced in the worker. "+
			"Please change your bindings to have unique names.", name, kinds)
	}
	classes := map[string]bool{}
	for _, k := range c.Classes() {
		classes[k.Name] = true
	}
	for i, b := range c.DurableObjects.Bindings {
		path := fmt.Sprintf("durable_objects.bindings[%d]", i)
		bind(path, "name", b.Name, "Durable Object")
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
		bind(fmt.Sprintf("kv_namespaces[%d]", i), "binding", k.Binding, "KV Namespace")
	}
	for i, s := range c.Services {
		path := fmt.Sprintf("services[%d]", i)
		bind(path, "binding", s.Binding, "Worker")
		switch {
		case s.Service == "":
			p.add(path, `"services" bindings should have a string "service" field but got %s.`, asJSON(s))
		case s.Service != c.Name:
			p.add(path+".service", "durago runs one worker so far: bind an entrypoint of %s itself, or remove the binding", c.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vars)) {
		bind("vars."+name, "", name, "Environment Variable")
	}
}

// validateMigrations applies the migrations in order.
func (p *problems) validateMigrations(c *Config) {
	tags := map[string]bool{}
	live := classList{worker: c.Name}
	for i, m := range c.Migrations {
		path := fmt.Sprintf("migrations[%d]", i)
		if m.Tag == "" {
			p.add(path, `"migrations[%d].tag" is a required field.`, i)
		}
		if tags[m.Tag] && m.Tag != "" {
			p.add(path+".tag", "the tag %q stands twice: give each migration another", m.Tag)
		}
		tags[m.Tag] = true
		for j, r := range m.RenamedClasses {
			if r.From == "" || r.To == "" {
				p.add(fmt.Sprintf("%s.renamed_classes[%d]", path, j), `Expected "%s.renamed_classes" to be an array of "{from: string, to: string}" objects but got %s.`,
					path, asJSON(m.RenamedClasses))
			}
		}
		for _, mistake := range live.apply(m) {
			p.add(path+"."+mistake.key, "%s", mistake.text)
		}
	}
	for i, m := range c.Migrations {
		for j, name := range m.NewClasses {
			if at := live.find(name); at >= 0 && !live.classes[at].SQLite {
				p.add(fmt.Sprintf("migrations[%d].new_classes[%d]", i, j), "the class %s would be kept in the older storage without SQL, which durago's objects "+
					"cannot do without: name it in new_sqlite_classes instead", name)
			}
		}
	}
}
