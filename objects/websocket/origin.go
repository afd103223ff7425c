package websocket

import (
	"net/http"
	"net/url"
	"strings"
)

// originAllowed keeps pages of other sites from using a visitor's cookies: browsers let any page open a socket anywhere,
// and say in Origin which page it is. See https://www.rfc-editor.org/rfc/rfc6455#section-10.2.
func originAllowed(r *http.Request, allowed []string) bool {
	list := r.Header.Values("Origin")
	if len(list) == 0 {
		return true // no browser
	}
	if len(list) > 1 {
		return false
	}
	for _, a := range allowed {
		if a == "*" || strings.EqualFold(strings.TrimSuffix(a, "/"), list[0]) {
			return true
		}
	}
	u, err := url.Parse(list[0])
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		strings.EqualFold(u.Host, r.Host)
}
