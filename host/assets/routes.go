package assets

import (
	"fmt"
	"regexp"
	"strings"
)

// routes are the paths for which the worker is asked first.
type routes struct{ worker, files []*regexp.Regexp }

func parseRoutes(list []string) (r routes, err error) {
	if len(list) > maxRoutes {
		return r, fmt.Errorf("assets: run_worker_first has %d rules: at most %d are allowed", len(list), maxRoutes)
	}
	for _, text := range list {
		rule, not := strings.CutPrefix(text, "!")
		switch {
		case !strings.HasPrefix(rule, "/"):
			return r, fmt.Errorf("assets: the rule %q of run_worker_first must begin with /, or with !/", text)
		case len(rule) > maxRoute:
			return r, fmt.Errorf("assets: the rule %.40q of run_worker_first has %d bytes: at most %d are allowed", text, len(rule), maxRoute)
		}
		parts := strings.Split(rule, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		re, err := regexp.Compile("^" + strings.Join(parts, ".*") + "$")
		if err != nil {
			return r, fmt.Errorf("assets: the rule %q of run_worker_first: %w", text, err)
		}
		if not {
			r.files = append(r.files, re)
		} else {
			r.worker = append(r.worker, re)
		}
	}
	if len(list) > 0 && len(r.worker) == 0 {
		return r, fmt.Errorf("assets: run_worker_first has only rules that begin with !: add one for what the worker is asked first")
	}
	return r, nil
}

func matches(list []*regexp.Regexp, path string) bool {
	for _, re := range list {
		if re.MatchString(path) {
			return true
		}
	}
	return false
}
