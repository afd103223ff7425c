package wrangler_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
)

var update = flag.Bool("update", false, "write the golden files anew")

// pair is a configuration and what is to be said of it. An archive of testdata holds many, each in a folder:
//
//	wrangler.toml, wrangler.json or wrangler.jsonc   the configuration
//	env        the environment that is asked for, if one is
//	want       what Parse says: a line for each diagnostic, or else what the configuration means
//	wrangler   what wrangler deploy --dry-run says: accept or reject, and a line for each diagnostic
//	differs    why the two differ, if they do
//	vars       the variables of a local run, which wrangler dev has too
//
// and other files that wrangler needs. A diagnostic of want is error or warning, with ! if it is durago's own, line and
// column, key, |, text; one of wrangler is error or warning, and text.
type pair struct {
	name     string
	file     string // the configuration's name
	env      string
	want     []string
	wrangler []string
	differs  string
	vars     []string     // nil if there is no such file
	files    []txtar.File // all but want, wrangler, differs, vars
	said     []string     // what wrangler says now
	has      []string     // the variables that it has
}

func readPairs(t *testing.T) map[string][]*pair {
	archives, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	all := map[string][]*pair{}
	for _, archive := range archives {
		a, err := txtar.ParseFile(archive)
		require.NoError(t, err)
		for _, f := range a.Files {
			name, file, ok := strings.Cut(f.Name, "/")
			require.True(t, ok, "%s: %s is in no folder", archive, f.Name)
			list := all[archive]
			if len(list) == 0 || list[len(list)-1].name != name {
				require.False(t, slices.ContainsFunc(list, func(p *pair) bool { return p.name == name }), "%s: %s stands twice", archive, name)
				list = append(list, &pair{name: name})
			}
			all[archive] = list
			p, text := list[len(list)-1], strings.TrimSpace(string(f.Data))
			switch {
			case file == "want":
				p.want = strings.Split(text, "\n")
				continue
			case file == "wrangler":
				p.wrangler = strings.Split(text, "\n")
				continue
			case file == "vars":
				p.vars = strings.Split(text, "\n")
				continue
			case file == "differs":
				p.differs = text
				continue
			case file == "env":
				p.env = text
			case strings.HasPrefix(file, "wrangler."):
				p.file = file
			}
			p.files = append(p.files, txtar.File{Name: file, Data: f.Data})
		}
	}
	return all
}

func writePairs(t *testing.T, archive string, pairs []*pair) {
	a, err := txtar.ParseFile(archive)
	require.NoError(t, err)
	a.Files = nil
	for _, p := range pairs {
		add := func(file, text string) {
			if text = strings.TrimSpace(text); text != "" {
				a.Files = append(a.Files, txtar.File{Name: p.name + "/" + file, Data: []byte(text + "\n")})
			}
		}
		for _, f := range p.files {
			a.Files = append(a.Files, txtar.File{Name: p.name + "/" + f.Name, Data: f.Data})
		}
		add("want", strings.Join(p.want, "\n"))
		add("wrangler", strings.Join(p.wrangler, "\n"))
		add("differs", p.differs)
		if p.vars != nil {
			a.Files = append(a.Files, txtar.File{Name: p.name + "/vars", Data: []byte(strings.Join(p.vars, "\n") + "\n")})
		}
	}
	require.NoError(t, os.WriteFile(archive, txtar.Format(a), 0o644))
}

// parse is what durago says of a pair.
func (p *pair) parse(t *testing.T) []string {
	var text []byte
	for _, f := range p.files {
		if f.Name == p.file {
			text = f.Data
		}
	}
	c, err := wrangler.Environment{Name: p.env, Command: "deploy"}.Parse(p.file, text)
	var lines []string
	add := func(list []wrangler.Diagnostic) {
		for _, d := range list {
			class := "error"
			if d.Warning {
				class = "warning"
			}
			if d.Own {
				class += "!"
			}
			lines = append(lines, fmt.Sprintf("%s %d:%d %s | %s", class, d.Line, d.Column, d.Key, d.Text))
		}
	}
	if err == nil {
		add(c.Warnings)
		return append(lines, meaning(t, c)...)
	}
	var e *wrangler.Error
	require.ErrorAs(t, err, &e)
	add(e.Mistakes)
	add(e.Warnings)
	return lines
}

// local are the variables of a local run: a name and JSON for each, and secret if a file has the value.
func (p *pair) local(t *testing.T) (lines []string) {
	dir := t.TempDir()
	p.write(t, dir)
	c, err := wrangler.Environment{Name: p.env}.Load(filepath.Join(dir, p.file))
	require.NoError(t, err)
	l, err := c.Local(wrangler.LocalOptions{})
	require.NoError(t, err)
	for _, name := range slices.Sorted(maps.Keys(l.Vars)) {
		b, err := json.Marshal(l.Vars[name])
		require.NoError(t, err)
		secret := ""
		if l.Secret[name] {
			secret = "secret "
		}
		lines = append(lines, name+" = "+secret+string(b))
	}
	return lines
}

func (p *pair) write(t *testing.T, dir string) {
	for _, f := range p.files {
		file := filepath.Join(dir, f.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, f.Data, 0o644))
	}
}

// meaning has a line for each part of a configuration that says something, and for its classes.
func meaning(t *testing.T, c *wrangler.Config) (lines []string) {
	b, err := json.Marshal(c)
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, json.Unmarshal(b, &values))
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if v := said(values[k]); v != nil && k != "migrations" && k != "exports" {
			b, err := json.Marshal(v)
			require.NoError(t, err)
			lines = append(lines, k+" = "+string(b))
		}
	}
	l := c.Lifecycle()
	for _, k := range l.Classes {
		lines = append(lines, fmt.Sprintf("class %s, sqlite %t, key %s", k.Name, k.SQLite, k.UniqueKey))
	}
	for _, r := range l.Renamed {
		lines = append(lines, fmt.Sprintf("renamed %s to %s", r.From, r.To))
	}
	for _, name := range l.Deleted {
		lines = append(lines, "deleted "+name)
	}
	return lines
}

// said is a value without what says nothing.
func said(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			if x[k] = said(x[k]); x[k] == nil {
				delete(x, k)
			}
		}
		if len(x) == 0 {
			return nil
		}
	case []any:
		for i := range x {
			x[i] = said(x[i])
		}
		if len(x) == 0 {
			return nil
		}
	case string, float64, bool:
		if x == "" || x == 0.0 || x == false {
			return nil
		}
	}
	return v
}

// TestParse_golden compares with testdata, and what is wanted there with what wrangler says. go test ./build/wrangler
// -update writes what Parse says anew.
func TestParse_golden(t *testing.T) {
	n := 0
	for archive, pairs := range readPairs(t) {
		for _, p := range pairs {
			n++
			t.Run(strings.TrimSuffix(filepath.Base(archive), ".txtar")+"/"+p.name, func(t *testing.T) {
				got := p.parse(t)
				if *update {
					p.want = got
				}
				require.Equal(t, p.want, got, "go test ./build/wrangler -update accepts it")
				if p.vars != nil {
					vars := p.local(t)
					if *update {
						p.vars = vars
					}
					require.Equal(t, p.vars, vars)
				}
				if len(p.wrangler) > 0 || !*update {
					require.Empty(t, p.disagreements())
				}
			})
		}
		if *update {
			writePairs(t, archive, pairs)
		}
	}
	require.GreaterOrEqual(t, n, 120)
}

// TestPair_disagreements: a pair in which something is wrong is found.
func TestPair_disagreements(t *testing.T) {
	for _, row := range []struct {
		name             string
		want, wrangler   []string
		differs, problem string
	}{
		{"equal", []string{"error 3:1 main | A.", "warning 4:1 x | B."}, []string{"reject", "warning B.", "error A."}, "", ""},
		{"accepted by both", []string{`name = "w"`}, []string{"accept"}, "", ""},
		{"an unknown key", []string{"error! 3:1 a.b | unknown key"}, []string{"accept", `warning Unexpected fields found in a field: "b"`}, "", ""},
		{"other words", []string{"error 3:1 main | A."}, []string{"reject", "error B."}, "", "wrangler does not say: error A."},
		{"another class", []string{"error 3:1 main | A."}, []string{"accept", "warning A."}, "stricter", "wrangler does not say: error A."},
		{"a silence", []string{`name = "w"`}, []string{"accept", "warning A."}, "", "only wrangler says: warning A."},
		{"milder", []string{`name = "w"`}, []string{"reject", "error A."}, "milder", "wrangler rejects it, durago does not"},
		{"stricter without a reason", []string{"error! 3:1 main | A."}, []string{"accept"}, "", "durago rejects it, wrangler does not, and nothing says why"},
		{"stricter", []string{"error! 3:1 main | A."}, []string{"accept"}, "stricter", ""},
		{"a reason for nothing", []string{"error 3:1 main | A."}, []string{"reject", "error A."}, "words", "nothing differs, but differs is there"},
		{"nothing recorded", []string{"error 3:1 main | A."}, nil, "", "wrangler has not been asked"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &pair{want: row.want, wrangler: row.wrangler, differs: row.differs}
			if row.problem == "" {
				require.Empty(t, p.disagreements())
			} else {
				require.Contains(t, p.disagreements(), row.problem)
			}
		})
	}
}

// disagreements are what is wrong between what durago says and what wrangler does: accept or reject must be equal and so
// must all words that are not durago's own, but for what differs gives a reason for. An unknown key needs none: it is an
// error of durago where wrangler warns.
func (p *pair) disagreements() (list []string) {
	if len(p.wrangler) == 0 {
		return []string{"wrangler has not been asked"}
	}
	rejects, refused, differs := false, false, false
	claimed, unknown := map[string]bool{}, map[string]bool{}
	for _, line := range p.want {
		head, text, ok := strings.Cut(line, " | ")
		class, rest, _ := strings.Cut(head, " ")
		_, key, _ := strings.Cut(rest, " ")
		switch {
		case !ok:
			continue
		case strings.HasPrefix(text, "unknown key"), strings.HasPrefix(text, "wrangler reads this key at the top level only"):
			unknown[key], refused = true, true
			continue
		case !strings.HasSuffix(class, "!"):
			claimed[class+" "+text] = true
		}
		rejects = rejects || strings.HasPrefix(class, "error")
	}
	for _, line := range p.wrangler[1:] {
		if claimed[line] {
			delete(claimed, line)
		} else if !takeUnknownKeys(line, unknown) {
			differs = true
			if p.differs == "" {
				list = append(list, "only wrangler says: "+line)
			}
		}
	}
	for _, line := range slices.Sorted(maps.Keys(claimed)) {
		list = append(list, "wrangler does not say: "+line)
	}
	rejects = rejects || len(unknown) > 0 // wrangler passes over the rest in silence
	switch reject := p.wrangler[0] == "reject"; {
	case reject && !rejects && !refused:
		list = append(list, "wrangler rejects it, durago does not")
	case rejects && !reject:
		differs = true
		if p.differs == "" {
			list = append(list, "durago rejects it, wrangler does not, and nothing says why")
		}
	}
	if p.differs != "" && !differs && len(list) == 0 {
		list = append(list, "nothing differs, but differs is there")
	}
	return list
}

var unexpected = regexp.MustCompile(`^warning Unexpected fields found in (.*) field: (.*)$`)

// takeUnknownKeys tells whether a warning of wrangler names keys alone that durago does not know either, and takes them out.
func takeUnknownKeys(line string, unknown map[string]bool) bool {
	m := unexpected.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	for name := range strings.SplitSeq(m[2], ",") {
		name = strings.Trim(name, `"`)
		found := false
		for _, key := range slices.Sorted(maps.Keys(unknown)) {
			if key == name || strings.HasSuffix(key, "."+name) {
				found = true
				delete(unknown, key)
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
