package assets

import "strings"

// What is at a path depends on how the path ends. Each ending has steps, which are tried in their order, and those of all
// follow. A step looks for a file, and serves it or sends the browser to where it is served. Both names begin with what is
// before the ending.
type step struct {
	file     string
	redirect bool
	to       string
}

func at(file string) step        { return step{file: file} }
func moved(file, to string) step { return step{file: file, redirect: true, to: to} }

// handling is the steps by ending; "" has those of all paths, whose ending is nothing. With ^ it is that of the site's own page,
// which has no name to drop a slash from.
type handling map[string][]step

// endings are what steps are looked up by; the first that fits counts.
var endings = []string{"/index", "/index.html", "/", ".html"}

// handlings are what html_handling may say. A file F.html or F/index.html is a page; each says at which path it is served.
var handlings = map[string]handling{
	"auto-trailing-slash": { // F.html at F, F/index.html at F/
		"/index":      {at("/index"), moved("/index.html", "/"), moved(".html", "")},
		"/index.html": {moved("/index.html", "/"), moved(".html", "")},
		"/":           {at("/index.html"), moved(".html", "")},
		".html":       {moved(".html", ""), moved("/index.html", "/")},
		"":            {at(""), at(".html"), moved("/index.html", "/")},
	},
	"force-trailing-slash": { // both at F/
		"/index":      {at("/index"), moved("/index.html", "/"), moved(".html", "/")},
		"/index.html": {moved("/index.html", "/"), moved(".html", "/")},
		"/":           {at("/index.html"), at(".html")},
		".html":       {moved(".html", "/"), at(".html"), moved("/index.html", "/")},
		"":            {at(""), moved(".html", "/"), moved("/index.html", "/")},
	},
	"drop-trailing-slash": { // both at F, but for that of the whole site
		"/index":       {at("/index"), moved(".html", ""), moved("/index.html", "")},
		"/index.html":  {moved("/index.html", ""), at("/index.html"), moved(".html", "")},
		"/":            {moved(".html", ""), moved("/index.html", "")},
		".html":        {moved(".html", ""), moved("/index.html", "")},
		"^/index":      {at("/index"), moved("/index.html", "/")},
		"^/index.html": {moved("/index.html", "/")},
		"^/":           {at("/index.html")},
		"":             {at(""), at(".html"), at("/index.html")},
	},
	"none": {"": {at("")}},
}

// found is what a path asks for: a file, or the path where it is.
type found struct {
	file    string
	to      string
	missing bool // the file says that there is nothing
}

// find looks for what is at a decoded path.
func (s *Site) find(p, notFound string) (found, bool) {
	if f, ok := s.page(p, true); ok {
		return f, true
	}
	switch notFound {
	case "single-page-application":
		return found{file: "/index.html"}, s.exists("/index.html")
	case "404-page":
		for dir := p; dir != ""; {
			dir = dir[:strings.LastIndexByte(dir, '/')]
			if s.exists(dir + "/404.html") {
				return found{file: dir + "/404.html", missing: true}, true
			}
		}
	}
	return found{}, false
}

// page is what html_handling makes of a path.
func (s *Site) page(p string, redirects bool) (found, bool) {
	h := handlings[s.o.HTMLHandling]
	for _, end := range endings {
		if base, ok := strings.CutSuffix(p, end); ok {
			steps := h[end]
			if own, ok := h["^"+end]; ok && base == "" {
				steps = own
			}
			if f, ok := s.try(base, steps, redirects); ok {
				return f, true
			}
			break
		}
	}
	return s.try(p, h[""], redirects)
}

func (s *Site) try(base string, steps []step, redirects bool) (found, bool) {
	for _, st := range steps {
		file, to := base+st.file, base+st.to
		switch {
		case !st.redirect:
			if s.exists(file) {
				return found{file: file}, true
			}
		case !redirects || s.exists(to) || !s.exists(file):
		default:
			// Not to where another file is served instead.
			if f, ok := s.page(to, false); ok && f.file == file {
				return found{to: to}, true
			}
		}
	}
	return found{}, false
}
