package wrangler

import "strings"

func checkVars(s *scope, n node) {
	n = n.named()
	if n.kind() != "object" || n.isNothing() {
		s.wrong(n.at, "The field \"%s\" should be an object but got %s.\n", n.name, s.show(n))
		return
	}
	if n.isList() {
		s.own(n.at, "want an object, got %s", s.show(n))
	}
	for _, k := range s.keys(n) {
		if v := n.key(k); isDate(v) {
			s.wrong(v.at, `The field "%s" is a TOML date, which is not supported. Please use a string instead, e.g. %s = "2025-12-19".`, v.name, k)
		}
	}
	var missing []string
	for _, k := range s.keys(s.above("vars")) {
		if !n.key(k).set {
			missing = append(missing, "- "+k)
		}
	}
	if len(missing) > 0 {
		s.warn(n.at, "The following vars exist at the top level, but not on \"%s\".\nThis is probably not what you want, since \"vars\" configuration is not inherited by environments.\nPlease add these vars to \"env.%s.vars\":\n%s",
			n.name, s.env, strings.Join(missing, "\n"))
	}
}

func isDate(n node) bool {
	_, ok := n.value.(date)
	return ok
}

// Secrets are variables whose values never stand in the configuration.
type Secrets struct {
	Required []string `json:"required"`
}

func checkSecrets(s *scope, n node) {
	if n = n.named(); s.object(n) {
		s.only(n, "required")
		s.listOf(n.key("required"), "string")
	}
}

// Names are those of the secrets; there are none in nil.
func (s *Secrets) Names() []string {
	if s == nil {
		return nil
	}
	return s.Required
}
