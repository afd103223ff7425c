package wrangler

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Binding makes a class reachable under a name.
type Binding struct {
	Name       string `json:"name"`
	ClassName  string `json:"class_name"`
	ScriptName string `json:"script_name"` // the worker that has the class; "" is this one
}

// DurableObjects holds the bindings of classes.
type DurableObjects struct {
	Bindings           []Binding           `json:"bindings"`
	CodeUpdateStrategy *CodeUpdateStrategy `json:"code_update_strategy,omitempty"` // nil is wrangler's: deferred
}

// CodeUpdateStrategy says when objects in memory take over new code.
type CodeUpdateStrategy struct {
	Mode     string   `json:"mode"`                // immediate or deferred
	MaxDelay *float64 `json:"max_delay,omitempty"` // seconds, of deferred
}

func checkDurableObjects(s *scope, n node) {
	if n = n.named(); !s.object(n) {
		return
	}
	s.only(n, "bindings", "code_update_strategy")
	checkCodeUpdates(s, n.key("code_update_strategy"))
	bindings := n.key("bindings")
	if bindings.set && !bindings.isList() {
		s.wrong(bindings.at, `The field "%s" should be an array but got %s.`, bindings.name, s.show(bindings))
		return
	}
	ok := true
	for _, b := range bindings.elements() {
		ok = checkBinding(s, b) && ok
	}
	if missing := s.missing(s.above("durable_objects").key("bindings"), bindings, "name"); ok && len(missing) > 0 {
		s.warn(n.at, "The following bindings are at the top level, but not on \"env.%s\".\nThis is not what you probably want, since \"durable_objects\" configuration is not inherited by environments.\nPlease add a binding for each to \"%s.bindings\":\n- %s",
			s.env, n.name, strings.Join(missing, "\n- "))
	}
}

// maxUpdateDelay is in seconds.
const maxUpdateDelay = 24 * 60 * 60

func checkCodeUpdates(s *scope, n node) {
	if !s.object(n) {
		return
	}
	s.only(n, "mode", "max_delay")
	s.required(n.key("mode"), "string", "immediate", "deferred")
	delay := n.key("max_delay")
	if !s.kind(delay, "number") || !delay.set {
		return
	}
	d, _ := delay.value.(float64)
	if d < 0 || d > maxUpdateDelay {
		s.wrong(delay.at, `Expected "%s" to be between 0 and %d seconds but got %s.`, delay.name, maxUpdateDelay, s.show(delay))
		return
	}
	if ms := d * 1000; math.Abs(ms-math.Round(ms)) > 1e-6 || d > 0 && math.Round(ms) == 0 {
		s.wrong(delay.at, `Expected "%s" to use millisecond precision but got %s.`, delay.name, s.show(delay))
	}
}

func checkBinding(s *scope, b node) bool {
	if b.kind() != "object" || b.isNothing() {
		say := s.wrong
		if b.isNothing() { // wrangler trips over it
			say = s.own
		}
		say(b.at, `Expected "%s" to be an object but got %s`, b.name, s.show(b))
		return false
	}
	ok := true
	wrong := func(at, format string, args ...any) {
		ok = false
		s.wrong(at, format, args...)
	}
	for _, k := range []string{"name", "class_name"} {
		if v := b.key(k); v.kind() != "string" {
			wrong(b.at, `binding should have a string "%s" field.`, k)
		} else if v.text() == "" {
			s.own(v.at, "want a name, got \"\"")
		}
	}
	for _, k := range []string{"script_name", "environment"} {
		if v := b.key(k); v.set && v.kind() != "string" {
			wrong(v.at, `the field "%s", when present, should be a string.`, k)
		}
	}
	if b.key("environment").set && !b.key("script_name").set {
		wrong(b.key("environment").at, `binding should have a "script_name" field if "environment" is present.`)
	}
	s.unsupported(b, "environment")
	s.only(b, "name", "class_name", "script_name", "environment")
	return ok
}

// missing are the names that bindings at the top level have and an environment's do not.
func (s *scope) missing(top, here node, name string) (names []string) {
	has := map[string]bool{}
	for _, b := range here.elements() {
		has[b.key(name).text()] = true
	}
	for _, b := range top.elements() {
		if n := b.key(name).text(); n != "" && !has[n] {
			names = append(names, n)
		}
	}
	return names
}

// bindings checks a list of bindings, one by one.
func (s *scope) bindings(n node, check func(b node)) {
	if !n.isList() {
		s.wrong(n.at, `The field "%s" should be an array but got %s.`, n.name, s.show(n))
		return
	}
	for _, b := range n.elements() {
		check(b)
	}
	field := strings.TrimPrefix(n.name, "env."+s.env+".")
	for _, name := range s.missing(s.above(field), n, "binding") {
		s.warn(n.at, "There is a %s binding with name \"%s\" at the top level, but not on \"env.%s\".\nThis is not what you probably want, since \"%[1]s\" configuration is not inherited by environments.\nPlease add a binding for \"%[2]s\" to \"env.%[3]s.%[1]s.bindings\".",
			field, name, s.env)
	}
}

// property checks a string of a binding in the sentence that most kinds of bindings share.
func (s *scope) property(b node, key, should string, must bool) {
	if v := b.key(key); v.kind() != "string" && (v.set || must) {
		s.wrong(b.at, `"%s" bindings %s have a string "%s" field but got %s.`, b.name, should, key, s.show(b))
	}
}

// remote checks the key that sends a binding to Cloudflare, which durago never does.
func (s *scope) remote(b node) {
	if r := b.key("remote"); r.set && r.kind() != "boolean" {
		s.wrong(r.at, `"%s" should, optionally, have a boolean "remote" field but got %s.`, b.name, s.show(b))
	}
	s.unsupported(b, "remote")
}

// KVNamespace binds a Workers KV namespace.
type KVNamespace struct {
	Binding   string `json:"binding"`
	ID        string `json:"id"` // default the binding's name
	PreviewID string `json:"preview_id"`
}

func checkKVNamespaces(s *scope, n node) {
	s.bindings(n.named(), func(b node) {
		if b.kind() != "object" || b.isNothing() {
			s.wrong(b.at, `"kv_namespaces" bindings should be objects, but got %s`, s.show(b))
			return
		}
		s.property(b, "binding", "should", true)
		if id := b.key("id"); id.set && id.text() == "" {
			s.wrong(b.at, `"%s" bindings should have a string "id" field but got %s.`, b.name, s.show(b))
		}
		s.property(b, "preview_id", "should, optionally,", false)
		s.remote(b)
		s.only(b, "binding", "id", "preview_id", "remote")
	})
}

// Service binds another worker, or this one.
type Service struct {
	Binding    string         `json:"binding"`
	Service    string         `json:"service"`
	Entrypoint string         `json:"entrypoint"` // "" is the default export
	Props      map[string]any `json:"props"`
}

func checkServices(s *scope, n node) {
	s.bindings(n.named(), func(b node) {
		if b.kind() != "object" || b.isNothing() {
			s.wrong(b.at, `"services" bindings should be objects, but got %s`, s.show(b))
			return
		}
		s.property(b, "binding", "should", true)
		s.property(b, "service", "should", true)
		s.property(b, "environment", "should", false)
		s.property(b, "entrypoint", "should", false)
		s.remote(b)
		if props := b.key("props"); props.set && !props.isObject() {
			s.own(props.at, "want an object, got %s", s.show(props))
		}
		s.unsupported(b, "environment", "dev")
		s.only(b, "binding", "service", "entrypoint", "props", "environment", "remote", "dev")
	})
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// bound is a name of env, and what is bound to it.
type bound struct{ at, name, kind string }

// checkNames wants names that JavaScript can read from env as env.NAME, each once among all kinds of bindings.
func (p *problems) checkNames(c *Config) {
	all := p.bound(c)
	kinds := map[string][]string{}
	var names []string
	for _, b := range all {
		if !identifier.MatchString(b.name) {
			p.own(b.at, "want a name such as COUNTER, got %q", b.name)
		}
		if kinds[b.name] == nil {
			names = append(names, b.name)
		}
		kinds[b.name] = append(kinds[b.name], b.kind)
	}
	for _, name := range names {
		if len(kinds[name]) < 2 {
			continue
		}
		var at string
		for _, b := range all { // point at the last of them in the file
			if b.name == name && (at == "" || p.places[at].compare(p.places[b.at]) < 0) {
				at = b.at
			}
		}
		var different, same []string
		for i, k := range kinds[name] {
			if list := &different; slices.Contains(kinds[name][:i], k) {
				if list = &same; !slices.Contains(same, k) {
					*list = append(*list, k)
				}
			} else {
				*list = append(*list, k)
			}
		}
		if len(different) > 1 {
			p.wrong(at, "%s assigned to %s bindings.", name, english(different))
		}
		for _, k := range same {
			p.wrong(at, "%s assigned to multiple %s bindings.", name, k)
		}
		p.wrong(at, "Bindings must have unique names, so that they can all be referenced in the worker.\nPlease change your bindings to have unique names.")
	}
}

// bound are all names of env, in wrangler's order of kinds.
func (p *problems) bound(c *Config) (all []bound) {
	add := func(key, name, kind string) {
		if name != "" {
			all = append(all, bound{p.place(c, key), name, kind})
		}
	}
	for i, b := range c.DurableObjects.Bindings {
		add(fmt.Sprintf("durable_objects.bindings[%d].name", i), b.Name, "Durable Object")
	}
	for i, b := range c.KVNamespaces {
		add(fmt.Sprintf("kv_namespaces[%d].binding", i), b.Binding, "KV Namespace")
	}
	for i, b := range c.Services {
		add(fmt.Sprintf("services[%d].binding", i), b.Binding, "Worker")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vars)) {
		add("vars."+name, name, "Environment Variable")
	}
	if c.Assets != nil {
		add("assets.binding", c.Assets.Binding, "Assets")
	}
	for i, name := range c.Secrets.Names() {
		add(fmt.Sprintf("secrets.required[%d]", i), name, "Secret")
	}
	return all
}
