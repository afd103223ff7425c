package wrangler

import "fmt"

// Migration is one step of the classes' history.
type Migration struct {
	Tag              string   `json:"tag"`
	NewClasses       []string `json:"new_classes"`
	NewSQLiteClasses []string `json:"new_sqlite_classes"`
	RenamedClasses   []Rename `json:"renamed_classes"`
	DeletedClasses   []string `json:"deleted_classes"`
}

// Rename moves a class to another name.
type Rename struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

func checkMigrations(s *scope, n node) {
	if n.isNothing() {
		return
	}
	if !n.isList() {
		s.wrong(n.at, `The optional "%s" field should be an array, but got %s`, n.name, s.show(n))
		return
	}
	for _, m := range n.elements() {
		if !m.isObject() {
			s.own(m.at, "want an object, got %s", s.show(m))
			continue
		}
		s.unsupported(m, "transferred_classes")
		s.only(m, "tag", "new_classes", "new_sqlite_classes", "renamed_classes", "deleted_classes", "transferred_classes")
		s.required(m.key("tag"), "string")
		for _, k := range []string{"new_classes", "new_sqlite_classes", "deleted_classes"} {
			s.listOf(m.key(k), "string")
		}
		renamed := m.key("renamed_classes")
		ok := !renamed.set || renamed.isList()
		for _, r := range renamed.elements() {
			ok = ok && r.key("from").kind() == "string" && r.key("to").kind() == "string"
			s.only(r, "from", "to")
		}
		if !ok {
			s.wrong(renamed.at, `Expected "%s" to be an array of "{from: string, to: string}" objects but got %s.`, renamed.name, s.show(renamed))
		}
	}
}

// apply changes the list by one migration, as wrangler does locally: deleted classes, then renamed ones, then new ones,
// then new ones with SQLite. It reports what does not fit under a key of the migration.
func (l *Lifecycle) apply(m Migration, wrong, own func(key, format string, args ...any)) {
	for i, name := range m.DeletedClasses {
		if l.remove(name) {
			l.Deleted = append(l.Deleted, name)
		} else {
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
			own(key, "the class %s cannot become %s, which is there already: delete that one first, or choose another name", r.From, r.To)
		default:
			l.Renamed = append(l.Renamed, r)
			l.Classes[at] = l.class(r.To, l.Classes[at].SQLite)
		}
	}
	create := func(key string, names []string, sqlite bool) {
		for i, name := range names {
			if l.find(name) >= 0 {
				wrong(fmt.Sprintf("%s[%d]", key, i), "Cannot apply %s migration to existing class %s", key, name)
				continue
			}
			l.Classes = append(l.Classes, l.class(name, sqlite))
		}
	}
	create("new_classes", m.NewClasses, false)
	create("new_sqlite_classes", m.NewSQLiteClasses, true)
}
