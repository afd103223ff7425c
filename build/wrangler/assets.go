package wrangler

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Assets are static files that are served beside the worker. See
// https://developers.cloudflare.com/workers/static-assets/.
type Assets struct {
	Directory        string `json:"directory"`
	Binding          string `json:"binding"`
	HTMLHandling     string `json:"html_handling"`
	NotFoundHandling string `json:"not_found_handling"`
	BasePath         string `json:"base_path"`
	RunWorkerFirst   any    `json:"run_worker_first"` // nil, a bool, or a list of patterns
}

func checkAssets(s *scope, n node) {
	if n.kind() != "object" || n.isNothing() {
		s.wrong(n.at, `"%s" should be an object, but got value "%[1]s" of type %s`, n.name, n.kind())
		return
	}
	s.only(n, "directory", "binding", "html_handling", "not_found_handling", "base_path", "run_worker_first")
	if s.kind(n.key("directory"), "string"); !n.key("directory").set {
		s.wrong(n.at, "The `assets` property in your configuration is missing the required `directory` property.")
	}
	s.kind(n.key("binding"), "string")
	s.kind(n.key("html_handling"), "string", "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none")
	s.kind(n.key("not_found_handling"), "string", "single-page-application", "404-page", "none")
	s.kind(n.key("base_path"), "string")
	switch first := n.key("run_worker_first"); {
	case first.isList():
		s.listOf(first, "string")
		checkWorkerFirst(s, first)
	case first.value == true && !n.key("binding").set:
		s.warn(first.at, "run_worker_first=true set without an assets binding\nSetting run_worker_first to true will always invoke your Worker script.\nTo fetch your assets from your Worker, please set the [assets.binding] key in your configuration file.\n\nRead more: https://developers.cloudflare.com/workers/static-assets/binding/#binding")
	case first.set && first.kind() != "boolean":
		s.wrong(first.at, `The field "%s" should be an array of strings or a boolean, but got %s.`, first.name, s.show(first))
	}
}

// Bounds of run_worker_first.
const (
	maxWorkerFirst     = 100
	maxWorkerFirstRule = 100 // UTF-16 code units, but nobody has others than ASCII in a path
)

// checkWorkerFirst checks the paths for which the worker is asked before the files.
func checkWorkerFirst(s *scope, n node) {
	var worker, files, bad []string
	for _, e := range n.elements() {
		rule, ok := e.value.(string)
		switch {
		case !ok:
			return // it has been said
		case strings.HasPrefix(rule, "!/"):
			files = append(files, rule)
		case strings.HasPrefix(rule, "/"):
			worker = append(worker, rule)
		case strings.HasPrefix(rule, "!"):
			bad = append(bad, fmt.Sprintf("'%s': negative rules must start with '!/'", rule))
		default:
			bad = append(bad, fmt.Sprintf("'%s': rules must start with '/' or '!/'", rule))
		}
	}
	switch count := len(n.elements()); {
	case count == 0:
		s.wrong(n.at, "No `run_worker_first` rules were provided; must provide at least 1 rule.")
		return
	case count > maxWorkerFirst:
		s.own(n.at, "%d rules are more than the %d that are allowed", count, maxWorkerFirst)
		return
	case len(files) > 0 && len(worker) == 0:
		s.wrong(n.at, "Only negative `run_worker_first` rules were provided; must provide at least 1 non-negative rule")
		return
	}
	if bad = append(append(bad, badRules(worker)...), badRules(files)...); len(bad) > 0 {
		s.wrong(n.at, "Invalid routes in `run_worker_first`:\n%s", strings.Join(bad, "\n"))
	}
}

func badRules(rules []string) (bad []string) {
	for i, rule := range rules {
		if len(rule) > maxWorkerFirstRule {
			bad = append(bad, fmt.Sprintf("'%s': all rules must be less than %d characters in length", rule, maxWorkerFirstRule))
		}
		for _, before := range rules[:i] {
			if before == rule {
				bad = append(bad, fmt.Sprintf("'%s': rule is a duplicate; rules must be unique", rule))
				break
			}
		}
		all, ok := strings.CutSuffix(rule, "*")
		for _, other := range rules {
			if ok && other != rule && strings.HasPrefix(other, all) {
				bad = append(bad, fmt.Sprintf("'%s': rule '%s' makes it redundant", other, rule))
			}
		}
	}
	return bad
}

// checkFolder looks for the folder of the files.
func (p *problems) checkFolder(c *Config) {
	if c.Assets == nil || c.Assets.Directory == "" {
		return
	}
	dir := filepath.Join(filepath.Dir(p.file), filepath.FromSlash(c.Assets.Directory))
	at := p.place(c, "assets.directory")
	switch info, err := os.Stat(dir); {
	case err != nil:
		p.wrong(at, "The directory specified by the \"assets.directory\" field in your configuration file does not exist:\n%s", dir)
	case !info.IsDir():
		p.wrong(at, "The path specified by the \"assets.directory\" field in your configuration file doesn't point to a directory:\n%s", dir)
	}
}
