package conformance

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Table is one file of the list.
type Table struct {
	Name string `toml:"-"` // of the file
	// About says what the rows have in common.
	About string
	Rows  []*Row `toml:"row"`
	// Families are rows that differ in little; Load adds them to Rows.
	Families []*Family `toml:"family"`
}

// Row is one fact.
type Row struct {
	ID   string
	Fact string
	// Class is the class whose object runs the scripts: "Store", which is the default, or "Plain", which has no alarm.
	Class string
	// Given prepares the object. Nothing of it may fail, and it asserts nothing.
	Given string
	// Do is the script whose answers are the assertions.
	Do string
	// Express is "no: " and why, where Go has no way to ask.
	Express string
	// Shown names the tests that show the fact, where a script cannot.
	Shown []string
	// Differs is the title of the Difference that allows the host other answers.
	Differs string
}

// Family is a set of rows that are alike: in Fact, Given and Do, % stands for what the row has.
type Family struct {
	ID, Fact, Given, Do string
	Rows                map[string]string // the last part of the id → what stands for %
	Differs             map[string]string // the last part of the id → Row.Differs
}

// Difference is where the host is allowed to differ.
type Difference struct {
	Title  string
	Reason string
	Tests  []string // that show it, beside the rows that name it
}

// List is all of it.
type List struct {
	Tables      []*Table
	Differences []*Difference
}

// Load reads the files of a directory and checks that they hold together.
func Load(dir string) (*List, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.toml"))
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	l := &List{}
	for _, f := range files {
		if filepath.Base(f) == "differences.toml" {
			var d struct {
				Difference []*Difference
			}
			if err := decode(f, &d); err != nil {
				return nil, err
			}
			l.Differences = d.Difference
			continue
		}
		t := &Table{Name: strings.TrimSuffix(filepath.Base(f), ".toml")}
		if err := decode(f, t); err != nil {
			return nil, err
		}
		for _, y := range t.Families {
			t.Rows = append(t.Rows, y.rows()...)
		}
		l.Tables = append(l.Tables, t)
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	return l, nil
}

func decode(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	m, err := toml.Decode(string(b), into)
	if err != nil {
		return fmt.Errorf("conformance: %s: %w", filepath.Base(file), err)
	}
	if u := m.Undecoded(); len(u) > 0 {
		return fmt.Errorf("conformance: %s: no row has %q", filepath.Base(file), u[0].String())
	}
	return nil
}

func (y *Family) rows() (out []*Row) {
	for _, name := range slices.Sorted(maps.Keys(y.Rows)) {
		put := func(s string) string { return strings.ReplaceAll(s, "%", y.Rows[name]) }
		out = append(out, &Row{ID: y.ID + "." + name, Fact: strings.ReplaceAll(y.Fact, "%", name), Given: put(y.Given), Do: put(y.Do), Differs: y.Differs[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(y.Differs)) {
		if _, ok := y.Rows[name]; !ok {
			out = append(out, &Row{ID: y.ID + "." + name, Differs: y.Differs[name]}) // check finds it
		}
	}
	return out
}

var idPattern = regexp.MustCompile(`^[\w-]+(\.[\w-]+)+$`)

// check finds rows that assert nothing, twice the same, or what is not there.
func (l *List) check() error {
	var failed []error
	fail := func(format string, args ...any) { failed = append(failed, fmt.Errorf("conformance: "+format, args...)) }
	titles := map[string]bool{}
	for _, d := range l.Differences {
		titles[d.Title] = true
	}
	ids, same := map[string]bool{}, map[string]string{}
	for _, t := range l.Tables {
		if t.About == "" {
			fail("%s.toml does not say what it is about", t.Name)
		}
		for _, r := range t.Rows {
			switch {
			case !idPattern.MatchString(r.ID):
				fail("%q is no id: words of letters, digits, _ and - with dots between them", r.ID)
			case ids[r.ID]:
				fail("%s is there twice", r.ID)
			case !strings.HasPrefix(r.ID, strings.ReplaceAll(t.Name, "-", ".")+"."):
				fail("%s is in %s.toml, whose ids begin with %s", r.ID, t.Name, strings.ReplaceAll(t.Name, "-", "."))
			case r.Fact == "":
				fail("%s has no fact", r.ID)
			case r.Differs != "" && !titles[r.Differs]:
				fail("%s differs as %q, which differences.toml does not have", r.ID, r.Differs)
			case r.Express != "" && !strings.HasPrefix(r.Express, "no: "):
				fail(`%s: express is %q, want "no: " and why`, r.ID, r.Express)
			}
			if n := count(r.Do != "", r.Express != "", len(r.Shown) > 0); n != 1 {
				fail("%s has %d of do, express and shown, want one", r.ID, n)
			}
			if r.Do != "" {
				text := r.Class + "\x00" + r.Given + "\x00" + r.Do
				if same[text] != "" {
					fail("%s asserts what %s does", r.ID, same[text])
				}
				same[text] = r.ID
				if _, err := r.Script(); err != nil {
					failed = append(failed, err)
				}
			}
			ids[r.ID] = true
		}
	}
	return errors.Join(failed...)
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}
