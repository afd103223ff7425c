package wrangler

import "strings"

// Routes say where Cloudflare puts a worker. They change nothing on this machine, and are checked as wrangler does.

func checkRoute(s *scope, n node) {
	if n.value == "" {
		s.warn(n.at, "The \"route\" field in your configuration is an empty string and will be ignored.\nPlease remove the \"route\" field from your configuration.")
		return
	}
	if !isRoute(n) {
		s.wrong(n.at, `Expected "%s" to be either a string, or an object with shape { pattern, custom_domain, zone_id | zone_name, enabled, previews_enabled }, but got %s.`, n.name, s.show(n))
	}
}

func checkRoutes(s *scope, n node) {
	if !n.isList() {
		s.wrong(n.at, `Expected "%s" to be an array but got %s.`, n.name, s.show(n))
	}
	var bad []string
	for _, e := range n.elements() {
		if !isRoute(e) {
			bad = append(bad, s.spaced(e))
		}
	}
	if len(bad) > 0 {
		s.wrong(n.at, `Expected "%s" to be an array of either strings or objects with the shape { pattern, custom_domain, zone_id | zone_name, enabled, previews_enabled }, but these weren't valid: [ %s ].`,
			n.name, strings.Join(bad, ", "))
	}
	if r := s.field("route"); r.set && r.value != "" {
		s.wrong(n.at, `Expected exactly one of the following fields ["routes","route"].`)
	}
}

// warnOfDomains warns of an environment that would take over the domains of the top level.
func warnOfDomains(s *scope) {
	var domains []string
	for _, r := range s.top.key("routes").elements() {
		if r.key("custom_domain").value == true {
			domains = append(domains, r.key("pattern").text())
		}
	}
	if len(domains) > 0 {
		s.warn(s.here.at, "The \"env.%[1]s\" environment inherits the top-level `routes` configuration, which includes the custom domain(s): %s. Deploying this environment will reassign these custom domains away from the top-level Worker. Add `\"routes\": []` to \"env.%[1]s\" to prevent inheritance, or copy the route configuration from the top level to hide this warning.",
			s.env, strings.Join(domains, ", "))
	}
}

func isRoute(n node) bool {
	if n.kind() == "string" {
		return n.text() != ""
	}
	if n.key("pattern").kind() != "string" {
		return false
	}
	is := func(key, kind string) bool { return n.key(key).kind() == kind }
	id, name := is("zone_id", "string"), is("zone_name", "string")
	domain, enabled, previews := is("custom_domain", "boolean"), is("enabled", "boolean"), is("previews_enabled", "boolean")
	count := 1
	for _, b := range []bool{id, name, domain, enabled, previews} {
		if b {
			count++
		}
	}
	switch m := n.value.(map[string]any); {
	case count != len(m), id && name, (enabled || previews) && !domain:
		return false
	}
	return id || name || domain
}

// spaced is JSON.stringify with indentation, its line breaks made spaces.
func (p *problems) spaced(n node) string {
	if !n.isObject() || len(p.keys(n)) == 0 {
		return p.show(n)
	}
	var parts []string
	for _, k := range p.keys(n) {
		parts = append(parts, showJSON(k)+": "+p.spaced(n.key(k)))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}
