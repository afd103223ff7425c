package wrangler

import (
	"slices"
	"strings"
)

// Placement and observability concern Cloudflare's machines alone; they are checked as wrangler does.

func checkPlacement(s *scope, n node) {
	if !s.object(n) {
		return
	}
	s.only(n, "mode", "hint", "region", "host", "hostname")
	var targets []string
	for _, k := range []string{"region", "host", "hostname"} {
		if n.key(k).set {
			targets = append(targets, k)
		}
	}
	mode, hint := n.key("mode"), n.key("hint")
	switch {
	case hint.set && len(targets) > 0:
		s.wrong(n.at, `"%s" cannot have both "hint" (smart format) and "region"/"host"/"hostname" (targeted format) fields`, n.name)
	case hint.set:
		s.required(mode, "string", "off", "smart")
		if hint.kind() != "string" {
			s.wrong(hint.at, `"%s.hint" must be a string when "%[1]s.mode" is "%s"`, n.name, mode.text())
		}
		if hint.value != "" && mode.text() != "smart" {
			s.wrong(hint.at, `"%s.hint" can only be set when "%[1]s.mode" is "smart"`, n.name)
		}
	case len(targets) > 0:
		s.kind(mode, "string", "targeted")
		for _, k := range targets {
			if target := n.key(k); s.required(target, "string") && target.text() == "" {
				s.wrong(target.at, `"%s" must be a non-empty string.`, target.name)
			}
		}
		if len(targets) > 1 {
			s.wrong(n.at, `"%s" fields "%s" are mutually exclusive. Only one can be specified.`, n.name, strings.Join(targets, `", "`))
		}
	default:
		if s.required(mode, "string", "off", "smart", "targeted") && mode.text() == "targeted" {
			s.anyOf(n, "string", "region", "host", "hostname")
		}
	}
}

func checkObservability(s *scope, n node) {
	if n.kind() != "object" || n.isNothing() {
		s.wrong(n.at, `"%s" should be an object but got %s.`, n.name, s.show(n))
		return
	}
	s.anyOf(n, "boolean", "enabled", "logs.enabled", "traces.enabled", "issues.enabled")
	s.kind(n.key("head_sampling_rate"), "number")
	s.kind(n.key("redact_query_string"), "boolean")
	s.kind(n.key("logs"), "object")
	s.kind(n.key("traces"), "object")
	s.only(n, "enabled", "head_sampling_rate", "redact_query_string", "issues", "logs", "traces")
	if issues := n.key("issues"); issues.set && !issues.isObject() {
		s.wrong(issues.at, `"%s" should be an object but got %s.`, issues.name, s.show(issues))
	} else {
		s.kind(issues.key("enabled"), "boolean")
		s.only(issues, "enabled")
	}
	for _, part := range []string{"logs", "traces"} {
		of := n.key(part)
		known := []string{"enabled", "head_sampling_rate", "destinations", "persist"}
		s.kind(of.key("enabled"), "boolean")
		s.kind(of.key("head_sampling_rate"), "number")
		s.kind(of.key("persist"), "boolean")
		if part == "logs" {
			s.kind(of.key("invocation_logs"), "boolean")
			known = slices.Insert(known, 2, "invocation_logs")
		}
		destinations := of.key("destinations")
		destinations.name = part + ".destinations"
		s.listOf(destinations, "string")
		s.only(of, known...)
		if rate, ok := of.key("head_sampling_rate").value.(float64); ok && (rate < 0 || rate > 1) {
			s.wrong(of.key("head_sampling_rate").at, `"%s" must be a value between 0 and 1.`, of.key("head_sampling_rate").name)
		}
	}
	if rate, ok := n.key("head_sampling_rate").value.(float64); ok && (rate < 0 || rate > 1) {
		s.wrong(n.key("head_sampling_rate").at, `"%s" must be a value between 0 and 1.`, n.key("head_sampling_rate").name)
	}
}
