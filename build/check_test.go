package build_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/wasm/abi"
)

// TestCheck has a row for each way in which configuration and program disagree, and the whole text of its error.
func TestCheck(t *testing.T) {
	class := func(name string, methods ...abi.ManifestMethod) abi.ManifestClass {
		return abi.ManifestClass{Name: name, Methods: methods}
	}
	method := func(name string, params ...string) abi.ManifestMethod {
		m := abi.ManifestMethod{Name: name, Result: "void"}
		for _, p := range params {
			m.Params = append(m.Params, abi.ManifestParam{Name: p, Type: "number"})
		}
		return m
	}
	const invalid = "use letters, digits, _ and $, and no keyword"
	for _, row := range []struct {
		name     string
		declared []string
		m        abi.Manifest
		crons    []string
		services []wrangler.Service
		want     string
	}{
		{name: "right", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("delete", "key"))}}},
		{name: "right with crons", crons: []string{"* * * * *"}, m: abi.Manifest{Fetch: true, Scheduled: true}},
		{name: "no code", declared: []string{"A"}, m: abi.Manifest{Fetch: true},
			want: "w.toml declares the class A, but the program does not export it: add it to Program.Classes, or remove it from the migrations"},
		{name: "no declaration", m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A")}},
			want: "the program exports the class A, but w.toml does not declare it: add it to new_sqlite_classes of a migration"},
		{name: "twice", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A"), class("A")}},
			want: "the program exports the class A twice: give one another name"},
		{name: "all that is wrong", declared: []string{"A", "B"}, m: abi.Manifest{},
			want: "w.toml declares the class A, but the program does not export it: add it to Program.Classes, or remove it from the migrations\n" +
				"w.toml declares the class B, but the program does not export it: add it to Program.Classes, or remove it from the migrations\n" +
				"the program answers nothing: set Program.Fetch, or export classes for the bindings of other workers"},
		{name: "classes for others", declared: []string{"A"}, m: abi.Manifest{Classes: []abi.ManifestClass{class("A")}}},
		{name: "an entrypoint for others", m: abi.Manifest{Services: []abi.ManifestClass{class("Admin")}}},
		{name: "crons alone", crons: []string{"* * * * *"}, m: abi.Manifest{Scheduled: true}},
		{name: "routes alone", m: abi.Manifest{Routes: []abi.ManifestRoute{{Pattern: "/room/{name}", Binding: "ROOM"}}},
			want: "the route \"/room/{name}\" goes to the binding ROOM, which w.toml does not have: add it to durable_objects.bindings\n" +
				"the program has routes, but nothing for other requests: set Program.Fetch"},
		{name: "routes", m: abi.Manifest{Fetch: true, Routes: []abi.ManifestRoute{{Pattern: "/room", Binding: "ROOM"}}},
			want: "the route \"/room\" names no object: want something like \"/room/{name}\" or \"POST /limit/{key}\"\n" +
				"the route \"/room\" goes to the binding ROOM, which w.toml does not have: add it to durable_objects.bindings"},
		{name: "queue", m: abi.Manifest{Fetch: true, Queue: true}, want: "durago does not deliver queues yet: remove Program.Queue"},
		{name: "entrypoint twice", m: abi.Manifest{Fetch: true, Services: []abi.ManifestClass{{Name: "Admin"}, {Name: "Admin"}}},
			want: "the program has two classes, entrypoints or targets of the name Admin: give one another name"},
		{name: "no entrypoint", services: []wrangler.Service{{Binding: "ADMIN", Service: "w", Entrypoint: "Admin"}}, m: abi.Manifest{Fetch: true},
			want: "the binding ADMIN of w.toml names the entrypoint Admin, but the program does not export it: add it to Program.Services"},
		{name: "crons", m: abi.Manifest{Fetch: true}, crons: []string{"* * * * *"},
			want: "w.toml has triggers.crons, but the program has no handler for them: set Program.Scheduled, or remove the triggers"},

		{name: "class name", declared: []string{"a b"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("a b")}},
			want: `the class "a b" has a name that JavaScript does not allow: ` + invalid},
		{name: "class name with a digit", declared: []string{"9A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("9A")}},
			want: `the class "9A" has a name that JavaScript does not allow: ` + invalid},
		{name: "no class name", declared: []string{""}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("")}},
			want: `the class "" has a name that JavaScript does not allow: ` + invalid},
		{name: "keyword", declared: []string{"default"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("default")}},
			want: `the class "default" has a name that JavaScript does not allow: ` + invalid},
		{name: "a name of the generated module", declared: []string{"worker"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("worker")}},
			want: "the class worker has a name that the generated worker uses itself: rename it"},
		{name: "a name of the declarations", declared: []string{"Env"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("Env")}},
			want: "the class Env has a name that the generated worker uses itself: rename it"},
		{name: "method name", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("get-it"))}},
			want: `the method "get-it" of A has a name that JavaScript does not allow: use letters, digits, _ and $`},
		{name: "reserved method", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("alarm"), method("constructor"))}},
			want: "the method A.alarm has a name that the platform reserves: rename it\nthe method A.constructor has a name that the platform reserves: rename it"},
		{name: "a method that no stub has", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("then"))}},
			want: "the method A.then has a name that no stub has, because a promise would have it: rename it"},
		{name: "a method that is a property of stubs", declared: []string{"A"},
			m:    abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("name"), method("toString"))}},
			want: "the method A.toString has a name that the platform reserves: rename it\nthe method A.name has the name of what every stub of an object has: rename it"},
		{name: "parameter name", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("f", "a", "b-c"))}},
			want: `parameter 2 of A.f has the name "b-c", which JavaScript does not allow: ` + invalid},
		{name: "parameter keyword", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("f", "new"))}},
			want: `parameter 1 of A.f has the name "new", which JavaScript does not allow: ` + invalid},
		{name: "two parameters of one name", declared: []string{"A"}, m: abi.Manifest{Fetch: true, Classes: []abi.ManifestClass{class("A", method("f", "a", "a"))}},
			want: "two parameters of A.f have the name a: rename one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &wrangler.Config{File: "w.toml", Name: "w", Migrations: []wrangler.Migration{{Tag: "a", NewSQLiteClasses: row.declared}},
				Triggers: wrangler.Triggers{Crons: row.crons}, Services: row.services}
			err := build.Check(c, &row.m)
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, row.want)
			var mismatch *build.MismatchError
			require.ErrorAs(t, err, &mismatch)
		})
	}
}
