package conformance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest/conformance"
)

// TestLoad_mistakes: a list that does not hold together is refused, with the row that is to blame.
func TestLoad_mistakes(t *testing.T) {
	const about = "about = \"x\"\n"
	row := func(rest string) string { return about + "[[row]]\nid = \"kv.a\"\nfact = \"f\"\n" + rest }
	for name, c := range map[string]struct{ text, want string }{
		"no about":            {"", "kv.toml does not say what it is about"},
		"an unknown key":      {row("dot = \"x\""), `kv.toml: no row has "row.dot"`},
		"no script":           {row(""), "kv.a has 0 of do, express and shown, want one"},
		"a script and a why":  {row("do = \"list\"\nexpress = \"no: x\""), "kv.a has 2 of do, express and shown, want one"},
		"a why without no":    {row("express = \"later\""), `kv.a: express is "later", want "no: " and why`},
		"a difference":        {row("do = \"list\"\ndiffers = \"X\""), `kv.a differs as "X", which differences.toml does not have`},
		"an id twice":         {row("do = \"list\"") + "\n[[row]]\nid = \"kv.a\"\nfact = \"f\"\ndo = \"size\"", "kv.a is there twice"},
		"an assertion twice":  {row("do = \"list\"") + "\n[[row]]\nid = \"kv.b\"\nfact = \"f\"\ndo = \"list\"", "kv.b asserts what kv.a does"},
		"another table's id":  {about + "[[row]]\nid = \"sql.a\"\nfact = \"f\"\ndo = \"list\"", "sql.a is in kv.toml, whose ids begin with kv"},
		"an id of two words":  {about + "[[row]]\nid = \"kv.a b\"\nfact = \"f\"\ndo = \"list\"", `"kv.a b" is no id`},
		"no fact":             {about + "[[row]]\nid = \"kv.a\"\ndo = \"list\"", "kv.a has no fact"},
		"a wait of no length": {row("do = \"wait long\""), `kv.a: time: invalid duration "long"`},
		"a family's difference for no row": {about + "[[family]]\nid = \"kv.f\"\nfact = \"f %\"\ndo = \"%\"\n[family.rows]\na = \"list\"\n[family.differs]\nb = \"X\"",
			"kv.f.b has no fact"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "kv.toml"), []byte(c.text), 0o644))
			_, err := conformance.Load(dir)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestLoad_tests: the tests that the list names in place of a script exist.
func TestLoad_tests(t *testing.T) {
	exists := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	require.NoError(t, filepath.WalkDir("../../..", func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, "_test.go") {
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
				exists[m[1]] = true
			}
		}
		return err
	}))
	for _, table := range load(t).Tables {
		for _, row := range table.Rows {
			for _, name := range append(row.Shown, regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(row.Express, -1)...) {
				require.True(t, exists[name], "%s names %s", row.ID, name)
			}
		}
	}
}

func TestRow_Script(t *testing.T) {
	row := conformance.Row{ID: "kv.a", Given: "put 1\n", Do: `
		put 2
		  get
		meanwhile
		get
		meanwhile @other
		get
		wait 2s
		get
		restart
		evict @other
		event
		list
		files`}
	got, err := row.Script()
	require.NoError(t, err)
	require.Equal(t, []conformance.Act{
		{Verb: "event", Given: true, Lines: []string{"put 1"}},
		{Verb: "event", Lines: []string{"put 2", "get"}},
		{Verb: "event", Meanwhile: true, Lines: []string{"get"}},
		{Verb: "event", Meanwhile: true, Object: "other", Lines: []string{"get"}},
		{Verb: "wait", Wait: 2 * time.Second},
		{Verb: "event", Lines: []string{"get"}},
		{Verb: "restart"},
		{Verb: "evict", Object: "other"},
		{Verb: "event", Lines: []string{"list"}},
		{Verb: "files"},
	}, got)
}
