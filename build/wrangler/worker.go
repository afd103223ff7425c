package wrangler

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var workerName = regexp.MustCompile(`^$|^[a-z0-9_][a-z0-9-_]*$`)

func checkName(s *scope, n node) {
	if n.kind() != "string" || !workerName.MatchString(n.text()) {
		s.wrong(n.at, `Expected "name" to be of type string, alphanumeric and lowercase with dashes only but got %s.`, s.show(n))
	}
}

// checkDate wants the form that Cloudflare documents; wrangler takes any date that JavaScript reads.
func checkDate(s *scope, n node) {
	if !s.kind(n, "string") {
		return
	}
	if strings.ContainsAny(n.text(), "–—") {
		s.wrong(n.at, `"%s" field should use ISO-8601 accepted hyphens (-) rather than en-dashes (–) or em-dashes (—).`, n.name)
		return
	}
	if _, err := time.Parse(time.DateOnly, n.text()); err == nil {
		return
	}
	var month, day int
	parts := isoDate.FindStringSubmatch(n.text())
	if parts != nil {
		month, _ = strconv.Atoi(parts[1])
		day, _ = strconv.Atoi(parts[2])
	}
	// JavaScript reads 2026-02-31, and much that does not look like a date of ISO 8601.
	if parts != nil && (month < 1 || month > 12 || day < 1 || day > 31) || !strings.ContainsAny(n.text(), "0123456789") {
		s.wrong(n.at, `"%s" field should be a valid ISO-8601 date (YYYY-MM-DD), but got %s.`, n.name, s.show(n))
		return
	}
	s.own(n.at, "want a date such as 2026-11-17, got %q", n.text())
}

var isoDate = regexp.MustCompile(`^\d{4}-(\d{2})-(\d{2})$`)

// moduleTypes are the kinds of modules that a rule may name.
var moduleTypes = []string{"ESModule", "CommonJS", "CompiledWasm", "Text", "Data"}

func checkRules(s *scope, n node) {
	if n = n.named(); !n.isList() {
		s.wrong(n.at, `The field "%s" should be an array but got %s.`, n.name, s.show(n))
	}
	for _, rule := range n.elements() {
		if rule.kind() != "object" || rule.isNothing() {
			s.wrong(rule.at, `"%s" should be an object but got %s.`, rule.name, s.show(rule))
			continue
		}
		if !slices.Contains(moduleTypes, rule.key("type").text()) {
			s.wrong(rule.at, `bindings should have a string "type" field, which contains one of "ESModule", "CommonJS", "CompiledWasm", "Text", or "Data".`)
		}
		if globs := rule.key("globs"); globs.set {
			s.listOf(globs, "string")
		} else {
			s.wrong(rule.at, `Expected "%s" to be an array of strings but got undefined`, globs.name)
		}
		if f := rule.key("fallthrough"); f.set && f.kind() != "boolean" {
			s.wrong(f.at, `the field "fallthrough", when present, should be a boolean.`)
		}
		s.only(rule, "type", "globs", "fallthrough")
	}
}

func checkBuild(s *scope, n node) {
	if !n.isObject() {
		s.own(n.at, "want an object, got %s", s.show(n))
		return
	}
	s.only(n, "command", "cwd", "watch_dir")
	s.kind(n.key("command"), "string")
	s.kind(n.key("cwd"), "string")
	if dir := n.key("watch_dir"); dir.isList() {
		s.listOf(dir, "string")
	} else {
		s.kind(dir, "string")
	}
}

func checkLimits(s *scope, n node) {
	if !n.isObject() {
		s.own(n.at, "want an object, got %s", s.show(n))
		return
	}
	s.only(n, "cpu_ms", "subrequests")
	if cpu := n.key("cpu_ms"); s.kind(cpu, "number") && cpu.set {
		if v := cpu.value.(float64); v < 1 || v > 300_000 {
			s.own(cpu.at, "want 1 to 300000, got %v", v)
		}
	}
	if s.kind(n.key("subrequests"), "number") {
		s.idle(n, "subrequests")
	}
}

func checkDev(s *scope, n node) {
	if !n.isObject() {
		s.own(n.at, "want an object, got %s", s.show(n))
		return
	}
	s.only(n, "ip", "port", "inspector_port", "inspector_ip", "local_protocol", "upstream_protocol", "host", "enable_containers",
		"container_engine", "generate_types")
	s.kind(n.key("ip"), "string")
	if port := n.key("port"); s.kind(port, "number") && port.set {
		if v := port.value.(float64); v < 0 || v > 65535 || v != math.Trunc(v) {
			s.own(port.at, "want a whole number from 1 to 65535, got %v", v)
		}
	}
	s.kind(n.key("inspector_port"), "number")
	s.kind(n.key("inspector_ip"), "string")
	local, upstream := n.key("local_protocol"), n.key("upstream_protocol")
	if !upstream.set {
		upstream.at, upstream.value, upstream.set = local.at, local.value, local.set // its default
	}
	for _, protocol := range []node{local, upstream} {
		if s.kind(protocol, "string", "http", "https") && protocol.text() == "https" {
			s.own(protocol.at, "durago run serves plain HTTP alone: remove the key, or put a proxy in front")
		}
	}
	if s.kind(n.key("host"), "string") {
		s.unsupported(n, "host")
	}
	s.kind(n.key("enable_containers"), "boolean")
	s.kind(n.key("container_engine"), "string")
	s.kind(n.key("generate_types"), "boolean")
	s.idle(n, "inspector_port", "inspector_ip", "enable_containers", "container_engine", "generate_types")
}

func checkTriggers(s *scope, n node) {
	if n.isNothing() {
		return
	}
	if !n.isObject() {
		s.wrong(n.at, `Expected "%s" to be of type object but got %s.`, n.name, s.show(n))
		return
	}
	crons := n.key("crons")
	if crons.set && !crons.isList() {
		s.wrong(crons.at, `Expected "%s" to be of type array, but got %s.`, crons.name, s.show(n))
	}
	for _, e := range crons.elements() {
		if e.kind() != "string" {
			s.own(e.at, "want a cron pattern such as \"0 * * * *\", got %s", s.show(e))
		} else if fields := len(strings.Fields(e.text())); fields != 5 {
			s.own(e.at, "a cron pattern has five fields, such as \"0 * * * *\"; %q has %d", e.text(), fields)
		}
	}
	s.unsupported(n, "events")
	s.only(n, "crons", "events")
}
