package assets

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Takes tells whether a request is answered with a file, or by what is said of files, and not by the worker.
func (s *Site) Takes(r *http.Request) bool {
	p := pathOf(r)
	switch {
	case matches(s.routes.files, p):
		return true
	case matches(s.routes.worker, p), s.o.WorkerFirst:
		return false
	}
	notFound := "none"
	if len(s.routes.worker) > 0 || s.o.Navigations && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		notFound = s.o.NotFoundHandling
	}
	_, ok := s.find(decode(p), notFound)
	return ok
}

// ServeHTTP answers with a file.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := pathOf(r)
	decoded := decode(p)
	f, ok := s.find(decoded, s.o.NotFoundHandling)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	to := decoded
	if f.to != "" {
		to = f.to
	}
	if encoded := encode(to); f.to != "" || encoded != p { // a file has one address
		if r.URL.RawQuery != "" {
			encoded += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", encoded)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	s.send(w, r, f)
}

func (s *Site) send(w http.ResponseWriter, r *http.Request, f found) {
	file, size, etag, err := s.open(f.file)
	if err != nil { // it has gone since
		status := http.StatusInternalServerError
		if os.IsNotExist(err) {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Set("ETag", etag)
	h["Content-Type"] = nil // net/http would guess
	if t := contentType(f.file); t != "" {
		h.Set("Content-Type", t)
	}
	if r.Header.Get("Authorization") == "" && r.Header.Get("Range") == "" {
		h.Set("Cache-Control", "public, max-age=0, must-revalidate")
	}
	if !f.missing {
		http.ServeContent(w, r, "", time.Time{}, file)
		return
	}
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	if match := r.Header.Get("If-None-Match"); match == etag || match == "W/"+etag {
		h.Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, file)
	}
}

// pathOf is a request's path as it is written, but for dots that are to be followed, as
// https://url.spec.whatwg.org/#path-state does.
func pathOf(r *http.Request) string {
	p := r.URL.EscapedPath()
	if !strings.Contains(p, "/.") && !strings.Contains(p, "%2") {
		return p
	}
	var out []string
	parts := strings.Split(p, "/")[1:]
	for i, part := range parts {
		switch dots := strings.ReplaceAll(strings.ReplaceAll(part, "%2e", "."), "%2E", "."); dots {
		case "..":
			out = out[:max(len(out)-1, 0)]
		case ".":
		default:
			out = append(out, part)
			continue
		}
		if i == len(parts)-1 { // what it leads to is a folder
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// decode undoes what URLs have to escape, part by part; a part that is escaped wrongly stays. Slashes count once.
func decode(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		if d, err := url.PathUnescape(part); err == nil && isText(d) {
			parts[i] = d
		}
	}
	p = strings.Join(parts, "/")
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// isText tells whether decodeURIComponent would take the bytes.
func isText(s string) bool { return strings.ToValidUTF8(s, "") == s }

// encode escapes a path as encodeURIComponent does each part.
func encode(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		parts[i] = component.Replace(url.QueryEscape(part))
	}
	return strings.Join(parts, "/")
}

var component = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
