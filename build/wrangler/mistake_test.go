package wrangler_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
)

// good are the first three lines of a configuration in which nothing is wrong.
const good = "name = \"w\"\ncompatibility_date = \"2026-11-17\"\n"

// TestParse_mistakes has a configuration for each thing that can be wrong, and the whole text of its error: file, line,
// key, and what to do. A row's TOML begins in line 3, after good, unless it has a name of its own; its JSON is whole.
func TestParse_mistakes(t *testing.T) {
	for _, row := range []struct {
		name string
		toml string
		json string
		want string // lines; FILE stands for the file's name
	}{
		{name: "syntax", toml: "[vars]\nA = ", want: "FILE:4: unexpected EOF; expected value"},
		{name: "syntax in json", json: "{\n  \"name\": \"w\"\n  \"main\"", want: "FILE:3: column 3: invalid character '\"' after object value (expecting ',' or '}')"},
		{name: "no object", json: "// nothing\n[]", want: "FILE:2: want an object, got something else"},
		{name: "null", json: "null", want: "FILE:1: want an object, got something else"},
		{name: "a key twice", json: "{\"name\": \"w\",\n\"compatibility_date\": \"2026-11-17\",\n\"name\": \"v\"}", want: "FILE:3: name: the key stands twice"},
		{name: "a key twice in toml", toml: "[vars]\nA = 1\nA = 2", want: "FILE:5: Key 'vars.A' has already been defined."},

		{name: "unknown key", toml: "compatibility_flag = []", want: `FILE:3: compatibility_flag: unknown key; did you mean "compatibility_flags"?`},
		{name: "unknown key like no other", toml: "# two\n# lines\nzzzzzzzz = 1", want: "FILE:5: zzzzzzzz: unknown key"},
		{name: "unknown table", toml: "[zzzzzzzz.a]\nb = 1", want: "FILE:3: zzzzzzzz: unknown key"},
		{name: "unknown list of tables", toml: "[[zzzzzzzz]]\nb = 1\n[[zzzzzzzz]]", want: "FILE:3: zzzzzzzz: unknown key"},
		{name: "unknown key in a table", toml: "[dev]\nport = 1\nprot = 2", want: `FILE:5: dev.prot: unknown key; did you mean "port"?`},
		{name: "unknown key in an inline table", toml: "dev = { port = 1, prot = 2 }", want: `FILE:3: dev.prot: unknown key; did you mean "port"?`},
		{name: "unknown key in an inline table of a list",
			toml: "migrations = [\n  { tag = \"a\", new_sqlite_classes = [\"A\"] }, # one\n  { tag = \"]{\", new_sqlite_clases = [\"B\"] },\n]",
			want: `FILE:5: migrations[1].new_sqlite_clases: unknown key; did you mean "new_sqlite_classes"?`},
		{name: "unknown key after long strings",
			toml: "[vars]\nA = \"\"\"\n[[x]]\ny = 1\n\"\"\"\nB = '''\nz = \"\\\n'''\n[durable_objects]\nbinding = []",
			want: `FILE:12: durable_objects.binding: unknown key; did you mean "bindings"?`},
		{name: "unknown key of the second table of a list",
			toml: "[[migrations]]\ntag = \"a\"\n\n[[migrations]]\ntag = \"b\"\nrenamed_class = []",
			want: `FILE:8: migrations[1].renamed_class: unknown key; did you mean "renamed_classes"?`},
		{name: "unknown key in a dotted key", toml: "dev.prot = 2", want: `FILE:3: dev.prot: unknown key; did you mean "port"?`},
		{name: "unknown key in a quoted key", toml: `"no such key" = 2`, want: `FILE:3: no such key: unknown key`},
		{name: "unknown keys in json", json: "{\"name\": \"w\",\n\"compatibility_date\": \"2026-11-17\", /* a\nb */ \"dev\": {\n\"prot\": 1}, \"rules\": [\n{\"typ\": \"Text\"}]}",
			want: "FILE:4: dev.prot: unknown key; did you mean \"port\"?\nFILE:5: rules[0].typ: unknown key; did you mean \"type\"?"},

		{name: "unsupported keys", toml: "[[r2_buckets]]\nbinding = \"B\"\n[env.staging]\n[dev]\nlocal_protocol = \"https\"",
			want: "FILE:7: dev.local_protocol: UNSUPPORTED\nFILE:5: env: UNSUPPORTED\nFILE:3: r2_buckets: UNSUPPORTED"},
		{name: "unsupported keys of lists", toml: "kv_namespaces = [ { binding = \"A\" }, { binding = \"B\", remote = true } ]\n[[migrations]]\ntag = \"a\"\ntransferred_classes = []",
			want: "FILE:3: kv_namespaces[1].remote: UNSUPPORTED\nFILE:6: migrations[0].transferred_classes: UNSUPPORTED"},

		{name: "a number in the place of a string", toml: "main = 1", want: `FILE:3: main: Expected "main" to be of type string but got 1.`},
		{name: "a string in the place of a number", toml: "[limits]\ncpu_ms = \"x\"", want: `FILE:4: limits.cpu_ms: Expected "limits.cpu_ms" to be of type number but got "x".`},
		{name: "a string in the place of a boolean", toml: "no_bundle = \"yes\"", want: `FILE:3: no_bundle: Expected "no_bundle" to be of type boolean but got "yes".`},
		{name: "a number in the place of vars", toml: "vars = 5", want: `FILE:3: vars: The field "vars" should be an object but got 5.`},
		{name: "a string in the place of a list", toml: "[triggers]\ncrons = \"* * * * *\"", want: `FILE:4: triggers.crons: Expected "triggers.crons" to be an array of strings but got "* * * * *".`},
		{name: "a string in the place of classes", toml: "[[migrations]]\ntag = \"a\"\nnew_sqlite_classes = \"C\"",
			want: `FILE:5: migrations[0].new_sqlite_classes: Expected "migrations[0].new_sqlite_classes" to be an array of strings but got "C".`},
		{name: "a table in the place of a list", toml: "[migrations]\ntag = \"a\"", want: `FILE:3: migrations: Expected "migrations" to be of type array but got {"tag":"a"}.`},
		{name: "a number in a list of strings", toml: "compatibility_flags = [\n\"a\",\n1]", want: `FILE:5: compatibility_flags[1]: Expected "compatibility_flags[1]" to be of type string but got 1.`},
		{name: "no number", toml: "[vars]\nA = inf", want: "FILE: json: unsupported value: +Inf"},

		{name: "bad name", toml: "name = \"Bad Name\"", want: `FILE:1: name: Expected "name" to be of type string, alphanumeric and lowercase with dashes only but got "Bad Name".`},
		{name: "no name", json: `{"compatibility_date": "2026-11-17"}`, want: `FILE: name: Expected "name" to be of type string, alphanumeric and lowercase with dashes only but got "".`},
		{name: "no date", json: `{"name": "w"}`, want: `FILE: compatibility_date: want a date such as 2026-11-17, got ""`},
		{name: "no such date", json: `{"name": "w", "compatibility_date": "2026-13-17"}`, want: `FILE:1: compatibility_date: want a date such as 2026-11-17, got "2026-13-17"`},
		{name: "limit", toml: "limits = { cpu_ms = 300001 }", want: "FILE:3: limits.cpu_ms: want 1 to 300000, got 300001"},
		{name: "port", toml: "dev = { port = 70000 }", want: "FILE:3: dev.port: want a whole number from 1 to 65535, got 70000"},
		{name: "rule", toml: "rules = [ { globs = [] } ]",
			want: `FILE:3: rules[0]: bindings should have a string "type" field, which contains one of "ESModule", "CommonJS", "CompiledWasm", "Text", or "Data".`},

		{name: "binding without a class", toml: "[[durable_objects.bindings]]\nname = \"A\"", want: `FILE:3: durable_objects.bindings[0]: binding should have a string "class_name" field.`},
		{name: "binding without a name", toml: "[[migrations]]\ntag = \"a\"\nnew_sqlite_classes = [\"A\"]\n[[durable_objects.bindings]]\nclass_name = \"A\"",
			want: `FILE:6: durable_objects.bindings[0]: binding should have a string "name" field.`},
		{name: "kv without a name", toml: "[[kv_namespaces]]\nid = \"a\"", want: `FILE:3: kv_namespaces[0]: binding should have a string "binding" field.`},
		{name: "binding of an unknown class", toml: "[[durable_objects.bindings]]\nname = \"A\"\nclass_name = \"A\"",
			want: `FILE:5: durable_objects.bindings[0].class_name: the class A is not declared: add [[migrations]] with tag and new_sqlite_classes = ["A"]`},
		{name: "binding of another worker", toml: "durable_objects.bindings = [\n{ name = \"A\", class_name = \"A\", script_name = \"b\" } ]",
			want: "FILE:4: durable_objects.bindings[0].script_name: durago runs one worker so far: declare the class A here, or remove the binding"},
		{name: "binding with an environment", toml: "durable_objects.bindings = [\n{ name = \"A\", class_name = \"A\", environment = \"b\" } ]",
			want: "FILE:4: durable_objects.bindings[0].environment: UNSUPPORTED"},
		{name: "name that is no identifier", toml: "[vars]\nmy-var = 1", want: `FILE:4: vars.my-var: want a name such as COUNTER, got "my-var"`},
		{name: "service without a name", toml: "[[services]]\nservice = \"w\"", want: `FILE:3: services[0]: binding should have a string "binding" field.`},
		{name: "service of no worker", toml: "[[services]]\nbinding = \"A\"",
			want: `FILE:3: services[0]: "services" bindings should have a string "service" field but got {"binding":"A"}.`},
		{name: "service of another worker", toml: "[[services]]\nbinding = \"A\"\nservice = \"other\"",
			want: "FILE:5: services[0].service: durago runs one worker so far: bind an entrypoint of w itself, or remove the binding"},
		{name: "service elsewhere", toml: "services = [{ binding = \"A\", service = \"w\", remote = true }]", want: "FILE:3: services[0].remote: UNSUPPORTED"},
		{name: "one name for two kinds", toml: "[vars]\nA = 1\n[[kv_namespaces]]\nbinding = \"A\"",
			want: "FILE:4: vars.A: A assigned to KV Namespace and Environment Variable bindings. UNIQUE"},
		{name: "one name for two of a kind", toml: "[[kv_namespaces]]\nbinding = \"A\"\n[[kv_namespaces]]\nbinding = \"A\"",
			want: "FILE:6: kv_namespaces[1].binding: A assigned to multiple KV Namespace bindings. UNIQUE"},

		{name: "migration without a tag", toml: "[[migrations]]\nnew_sqlite_classes = [\"A\"]", want: `FILE:3: migrations[0]: "migrations[0].tag" is a required field.`},
		{name: "a tag twice", toml: "[[migrations]]\ntag = \"a\"\n[[migrations]]\ntag = \"a\"", want: `FILE:6: migrations[1].tag: the tag "a" stands twice: give each migration another`},
		{name: "half a rename", toml: "migrations = [ { tag = \"a\", new_sqlite_classes = [\"A\"] },\n{ tag = \"b\", renamed_classes = [ { from = \"A\" } ] } ]",
			want: `FILE:4: migrations[1].renamed_classes[0]: Expected "migrations[1].renamed_classes" to be an array of "{from: string, to: string}" objects but got [{"from":"A"}].`},
		{name: "deletion of nothing", toml: "[[migrations]]\ntag = \"a\"\ndeleted_classes = [\"A\"]",
			want: "FILE:5: migrations[0].deleted_classes[0]: Cannot apply deleted_classes migration to non-existent class A"},
		{name: "rename of nothing", toml: "[[migrations]]\ntag = \"a\"\nrenamed_classes = [{from = \"A\", to = \"B\"}]",
			want: "FILE:5: migrations[0].renamed_classes[0]: Cannot apply renamed_classes migration to non-existent class A"},
		{name: "rename onto a live class", toml: "[[migrations]]\ntag = \"a\"\nnew_sqlite_classes = [\"A\", \"B\"]\n[[migrations]]\ntag = \"b\"\nrenamed_classes = [{from = \"A\", to = \"B\"}]",
			want: "FILE:8: migrations[1].renamed_classes[0]: the class A cannot become B, which is there already: delete that one first, or choose another name"},
		{name: "class without SQL", toml: "[[migrations]]\ntag = \"a\"\nnew_classes = [\n\"A\"]",
			want: "FILE:6: migrations[0].new_classes[0]: the class A would be kept in the older storage without SQL, which durago's objects cannot do without: name it in new_sqlite_classes instead"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file, text := "w.toml", good+row.toml
			switch {
			case row.json != "":
				file, text = "w.jsonc", row.json
			case strings.HasPrefix(row.toml, "name"):
				text = row.toml + "\ncompatibility_date = \"2026-11-17\"\n"
			}
			want := strings.NewReplacer("FILE", file,
				"UNSUPPORTED", "durago does not support this key yet: remove it from the configuration that durago reads",
				"UNIQUE", "Bindings must have unique names, so that they can all be referenced in the worker. Please change your bindings to have unique names.",
			).Replace(row.want)
			c, err := wrangler.Parse(file, []byte(text))
			require.EqualError(t, err, want)
			require.Nil(t, c)
		})
	}
}

// TestConfig_Classes applies migrations in wrangler's order: deleted, renamed, new, new with SQLite.
func TestConfig_Classes(t *testing.T) {
	sqlite := func(names ...string) (list []wrangler.Class) {
		for _, n := range names {
			list = append(list, wrangler.Class{Name: n, SQLite: true, UniqueKey: "w-" + n})
		}
		return list
	}
	first := wrangler.Migration{NewSQLiteClasses: []string{"A", "B"}}
	for _, row := range []struct {
		name string
		then []wrangler.Migration
		want []wrangler.Class
	}{
		{"new", nil, sqlite("A", "B")},
		{"without SQLite", []wrangler.Migration{{NewClasses: []string{"C"}}}, append(sqlite("A", "B"), wrangler.Class{Name: "C", UniqueKey: "w-C"})},
		{"new wins over new without SQLite", []wrangler.Migration{{NewClasses: []string{"C"}, NewSQLiteClasses: []string{"C"}}}, sqlite("A", "B", "C")},
		{"deleted", []wrangler.Migration{{DeletedClasses: []string{"A"}}}, sqlite("B")},
		{"deleted and new again", []wrangler.Migration{{DeletedClasses: []string{"A"}, NewSQLiteClasses: []string{"A"}}}, sqlite("B", "A")},
		{"deleted makes room for renamed", []wrangler.Migration{{DeletedClasses: []string{"B"}, RenamedClasses: []wrangler.Rename{{From: "A", To: "B"}}}}, sqlite("B")},
		{"renamed makes room for new", []wrangler.Migration{{RenamedClasses: []wrangler.Rename{{From: "A", To: "C"}}, NewSQLiteClasses: []string{"A"}}}, sqlite("C", "B", "A")},
		{"a chain", []wrangler.Migration{{RenamedClasses: []wrangler.Rename{{From: "A", To: "C"}, {From: "C", To: "D"}}}, {DeletedClasses: []string{"D"}}}, sqlite("B")},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &wrangler.Config{Name: "w", Migrations: append([]wrangler.Migration{first}, row.then...)}
			require.Equal(t, row.want, c.Classes())
		})
	}
}

// FuzzParse: whatever the bytes, Parse returns, with a configuration or an error and never with both. Coverage depends on
// the order of maps, so that minimizing takes long: run it with -fuzzminimizetime 10x.
func FuzzParse(f *testing.F) {
	f.Add(true, []byte(whole))
	f.Add(false, []byte(wholeJSON))
	f.Add(true, []byte("a.\"b\".'c' = [[{d = \"\"\"\"\"\"\"}]]\n[x]\n[[x.y]]\n[x.y.z]"))
	f.Add(false, []byte(`{"migrations": [{"tag": 1}], "vars": null, "durable_objects": {"bindings": [null]}}`))
	f.Fuzz(func(t *testing.T, isTOML bool, b []byte) {
		file := "f.jsonc"
		if isTOML {
			file = "f.toml"
		}
		c, err := wrangler.Parse(file, b)
		require.Equal(t, err != nil, c == nil)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), file), "the error %q begins with the file", err)
		}
	})
}
