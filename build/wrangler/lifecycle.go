package wrangler

import "fmt"

// Class is a live class of the worker.
type Class struct {
	Name      string
	SQLite    bool
	UniqueKey string // what ids and data directories depend on; it follows the name, as in wrangler's local runs
}

// Lifecycle is what the configuration says of the worker's classes, by migrations or by exports.
type Lifecycle struct {
	Classes []Class  // the live ones, in the order of the migrations, or of their names in exports
	Renamed []Rename // in order; a chain has an entry for each step
	Deleted []string
	worker  string
}

// Lifecycle evaluates migrations or exports. It is for a configuration that Parse returned: mistakes are passed over.
func (c *Config) Lifecycle() Lifecycle {
	ignore := func(string, string, ...any) {}
	return c.lifecycle(ignore, ignore)
}

// Classes are the live classes.
func (c *Config) Classes() []Class { return c.Lifecycle().Classes }

// lifecycle reports what does not fit, in wrangler's words or in durago's own.
func (c *Config) lifecycle(wrong, own func(key, format string, args ...any)) Lifecycle {
	l := Lifecycle{worker: c.Name}
	for i, m := range c.Migrations {
		under := func(report func(string, string, ...any)) func(string, string, ...any) {
			return func(key, format string, args ...any) {
				report(fmt.Sprintf("migrations[%d].%s", i, key), format, args...)
			}
		}
		l.apply(m, under(wrong), under(own))
	}
	l.declare(c.Exports, own)
	return l
}

func (l *Lifecycle) class(name string, sqlite bool) Class {
	return Class{name, sqlite, l.worker + "-" + name}
}

func (l *Lifecycle) find(name string) int {
	for i := range l.Classes {
		if l.Classes[i].Name == name {
			return i
		}
	}
	return -1
}

func (l *Lifecycle) remove(name string) bool {
	i := l.find(name)
	if i >= 0 {
		l.Classes = append(l.Classes[:i], l.Classes[i+1:]...)
	}
	return i >= 0
}

// checkLifecycle reports what does not fit, classes without SQL, and tags that stand twice.
func (p *problems) checkLifecycle(c *Config) {
	at := func(report func(string, string, ...any)) func(string, string, ...any) {
		return func(key, format string, args ...any) { report(p.place(c, key), format, args...) }
	}
	l := c.lifecycle(at(p.wrong), at(p.own))
	tags := map[string]bool{}
	for i, m := range c.Migrations {
		if tags[m.Tag] {
			at(p.own)(fmt.Sprintf("migrations[%d].tag", i), "the tag %q stands twice: give each migration another", m.Tag)
		}
		tags[m.Tag] = true
		for j, name := range m.NewClasses {
			if k := l.find(name); k >= 0 && !l.Classes[k].SQLite {
				at(p.own)(fmt.Sprintf("migrations[%d].new_classes[%d]", i, j), "the class %s would be kept in the older storage without SQL, which durago's objects "+
					"cannot do without: name it in new_sqlite_classes instead", name)
			}
		}
	}
	if len(c.Migrations) > 0 {
		for _, e := range c.Exports {
			if e.Type == "durable-object" {
				at(p.wrong)("exports", "`migrations` and `exports` are mutually exclusive. Choose one or the other to declare your Durable Object lifecycle, but not both.")
			}
		}
	}
	for i, b := range c.DurableObjects.Bindings {
		if b.ClassName == "" || b.ScriptName != "" && b.ScriptName != c.Name || l.find(b.ClassName) >= 0 {
			continue
		}
		add := fmt.Sprintf("add [[migrations]] with tag and new_sqlite_classes = [%q]", b.ClassName)
		if len(c.Exports) > 0 && len(c.Migrations) == 0 {
			add = `add it to exports as { type = "durable-object", storage = "sqlite" }`
		}
		at(p.own)(fmt.Sprintf("durable_objects.bindings[%d].class_name", i), "the class %s is not declared: %s", b.ClassName, add)
	}
}
