package wrangler

import "fmt"

// Class is a live class of the worker.
type Class struct {
	Name      string
	SQLite    bool
	UniqueKey string // what ids and data directories depend on; it follows the name, as in wrangler's local runs
}

// Classes are the live classes after all migrations, in the order of their appearance.
func (c *Config) Classes() []Class {
	l := classList{worker: c.Name}
	for _, m := range c.Migrations {
		l.apply(m)
	}
	return l.classes
}

// classList is the set of live classes while migrations are applied.
type classList struct {
	worker  string
	classes []Class
}

// mistake is what is wrong with a migration, under one of its keys.
type mistake struct{ key, text string }

// apply changes the list by one migration, as wrangler does locally: deleted classes, then renamed ones, then new ones,
// then new ones with SQLite.
func (l *classList) apply(m Migration) (mistakes []mistake) {
	wrong := func(key, format string, args ...any) {
		mistakes = append(mistakes, mistake{key, fmt.Sprintf(format, args...)})
	}
	for i, name := range m.DeletedClasses {
		if !l.remove(name) {
			wrong(fmt.Sprintf("deleted_classes[%d]", i), "Cannot apply deleted_classes migration to non-existent class %s", name)
		}
	}
	for i, r := range m.RenamedClasses {
		key := fmt.Sprintf("renamed_classes[%d]", i)
		at := l.find(r.From)
		switch {
		case at < 0:
			wrong(key, "Cannot apply renamed_classes migration to non-existent class %s", r.From)
		case l.find(r.To) >= 0:
			wrong(key, "the class %s cannot become %s, which is there already: delete that one first, or choose another name", r.From, r.To)
		default:
			l.classes[at].Name, l.classes[at].UniqueKey = r.To, l.worker+"-"+r.To
		}
	}
	for _, name := range m.NewClasses {
		l.add(name, false)
	}
	for _, name := range m.NewSQLiteClasses {
		l.add(name, true)
	}
	return mistakes
}

func (l *classList) find(name string) int {
	for i := range l.classes {
		if l.classes[i].Name == name {
			return i
		}
	}
	return -1
}

func (l *classList) remove(name string) bool {
	i := l.find(name)
	if i >= 0 {
		l.classes = append(l.classes[:i], l.classes[i+1:]...)
	}
	return i >= 0
}

func (l *classList) add(name string, sqlite bool) {
	l.remove(name)
	l.classes = append(l.classes, Class{name, sqlite, l.worker + "-" + name})
}
