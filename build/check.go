package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"durago.example/build/wrangler"
	"durago.example/wasm/abi"
)

// MismatchError says in what configuration and program disagree, a sentence each.
type MismatchError struct{ Mistakes []error }

func (e *MismatchError) Error() string { return errors.Join(e.Mistakes...).Error() }

// Unwrap gives the single mistakes to errors.Is and errors.As.
func (e *MismatchError) Unwrap() []error { return e.Mistakes }

// Check compares configuration and program. Its error is a *MismatchError that lists everything that does not fit.
func Check(c *wrangler.Config, m *abi.Manifest) error {
	var list []error
	add := func(format string, args ...any) { list = append(list, fmt.Errorf(format, args...)) }
	code := map[string]bool{}
	for _, k := range m.Classes {
		if code[k.Name] {
			add("the program exports the class %s twice: give one another name", k.Name)
		}
		code[k.Name] = true
		list = append(list, checkNames(k)...)
		for _, f := range k.Methods {
			if f.Name == "id" || f.Name == "name" {
				add("the method %s.%s has the name of what every stub of an object has: rename it", k.Name, f.Name)
			}
		}
	}
	history, declare := "the migrations", "new_sqlite_classes of a migration"
	if len(c.Exports) > 0 && len(c.Migrations) == 0 {
		history, declare = "exports", `exports, as { type = "durable-object", storage = "sqlite" }`
	}
	declared := map[string]bool{}
	for _, k := range c.Classes() {
		declared[k.Name] = true
		if !code[k.Name] {
			add("%s declares the class %s, but the program does not export it: add it to Program.Classes, or remove it from %s", c.File, k.Name, history)
		}
	}
	for _, k := range m.Classes {
		if !declared[k.Name] {
			add("the program exports the class %s, but %s does not declare it: add it to %s", k.Name, c.File, declare)
		}
	}
	for _, x := range m.Routes {
		if _, err := abi.ParseRoute(x.Pattern); err != nil {
			add("%v", err)
		}
		if !slices.ContainsFunc(c.DurableObjects.Bindings, func(b wrangler.Binding) bool { return b.Name == x.Binding }) {
			add("the route %q goes to the binding %s, which %s does not have: add it to durable_objects.bindings", x.Pattern, x.Binding, c.File)
		}
	}
	switch {
	case m.Fetch:
	case len(m.Routes) > 0:
		add("the program has routes, but nothing for other requests: set Program.Fetch")
	case len(m.Classes) == 0 && len(m.Services) == 0 && !m.Scheduled:
		add("the program answers nothing: set Program.Fetch, or export classes for the bindings of other workers")
	}
	if m.Queue {
		add("durago does not deliver queues yet: remove Program.Queue")
	}
	for _, k := range slices.Concat(m.Services, m.Targets) {
		if code[k.Name] {
			add("the program has two classes, entrypoints or targets of the name %s: give one another name", k.Name)
		}
		code[k.Name] = true
		list = append(list, checkNames(k)...)
	}
	for _, x := range c.Services {
		if x.Service == c.Name && x.Entrypoint != "" && !slices.ContainsFunc(m.Services, func(k abi.ManifestClass) bool { return k.Name == x.Entrypoint }) {
			add("the binding %s of %s names the entrypoint %s, but the program does not export it: add it to Program.Services", x.Binding, c.File, x.Entrypoint)
		}
	}
	if len(c.Triggers.Crons) > 0 && !m.Scheduled {
		add("%s has triggers.crons, but the program has no handler for them: set Program.Scheduled, or remove the triggers", c.File)
	}
	if len(list) > 0 {
		return &MismatchError{list}
	}
	return nil
}

// reservedMethods are names that the platform keeps to itself, or that every stub has of its own: they are never called over RPC. See
// https://developers.cloudflare.com/workers/runtime-apis/rpc/reserved-methods/.
var reservedMethods = []string{"fetch", "connect", "alarm", "webSocketMessage", "webSocketClose", "webSocketError", "dup", "constructor",
	"hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf", "__proto__"}

// takenClasses are names that the generated worker.mjs and worker.d.ts use for something else.
var takenClasses = []string{"app", "call", "start", "worker", "DurableObject", "DurableObjectNamespace", "Env", "Fetcher", "KVNamespace", "Promise",
	"ReadableStream", "RpcTarget", "Service", "WorkerEntrypoint"}

// keywords cannot name a class or a parameter in a module. See
// https://tc39.es/ecma262/#sec-keywords-and-reserved-words.
var keywords = strings.Fields(`arguments await break case catch class const continue debugger default delete do else enum eval export
	extends false finally for function if implements import in instanceof interface let new null package private protected public
	return static super switch this throw true try typeof var void while with yield`)

// checkNames finds the names of a class that JavaScript cannot have.
func checkNames(k abi.ManifestClass) (list []error) {
	add := func(format string, args ...any) { list = append(list, fmt.Errorf(format, args...)) }
	switch {
	case !validName(k.Name) || slices.Contains(keywords, k.Name):
		add("the class %q has a name that JavaScript does not allow: use letters, digits, _ and $, and no keyword", k.Name)
	case slices.Contains(takenClasses, k.Name):
		add("the class %s has a name that the generated worker uses itself: rename it", k.Name)
	}
	for _, f := range k.Methods {
		switch {
		case !validName(f.Name):
			add("the method %q of %s has a name that JavaScript does not allow: use letters, digits, _ and $", f.Name, k.Name)
		case f.Name == "then":
			add("the method %s.%s has a name that no stub has, because a promise would have it: rename it", k.Name, f.Name)
		case slices.Contains(reservedMethods, f.Name):
			add("the method %s.%s has a name that the platform reserves: rename it", k.Name, f.Name)
		}
		for i, p := range f.Params {
			switch {
			case !validName(p.Name) || slices.Contains(keywords, p.Name):
				add("parameter %d of %s.%s has the name %q, which JavaScript does not allow: use letters, digits, _ and $, and no keyword",
					i+1, k.Name, f.Name, p.Name)
			case slices.ContainsFunc(f.Params[:i], func(q abi.ManifestParam) bool { return q.Name == p.Name }):
				add("two parameters of %s.%s have the name %s: rename one", k.Name, f.Name, p.Name)
			}
		}
	}
	return list
}

func validName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
