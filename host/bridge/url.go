package bridge

import (
	"net/url"
	"strings"
)

// fetched is a request's URL as fetch of JavaScript writes it: scheme and host in lower case, without the scheme's own port,
// with a path that has no dots to follow. See https://url.spec.whatwg.org/#url-serializing.
func fetched(text string) (string, error) {
	if plainURL(text) {
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", typeError("Invalid URL: " + text)
	}
	if u.Scheme != "http" && u.Scheme != "https" { // Parse has lowered it
		return "", typeError("Fetch API cannot load: " + text)
	}
	u = u.ResolveReference(u) // follows the dots
	u.Host = strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; strings.HasSuffix(u.Host, port) {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// plainURL tells whether fetched would leave a URL as it is. It may say no too often.
func plainURL(text string) bool {
	rest, ok := strings.CutPrefix(text, "http://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "https://")
	}
	host, path, slash := strings.Cut(rest, "/")
	path, _, _ = strings.Cut(path, "?")
	return ok && slash && !strings.HasPrefix(path, ".") && !strings.Contains(path, "/.") &&
		!strings.ContainsFunc(host, func(c rune) bool { return c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') })
}
