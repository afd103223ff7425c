package websocket

import "net/http"

// share has pages of allowed origins read the answer of a door, and tells whether the request's page is one. A page of
// another site can make a browser send a GET without Origin, to show it as an image, say: browsers tell that in
// Sec-Fetch-Site. See https://fetch.spec.whatwg.org/#http-cors-protocol.
func (h handler) share(w http.ResponseWriter, r *http.Request) bool {
	out := w.Header()
	out.Add("Vary", "Origin")
	if len(r.Header.Values("Origin")) == 0 {
		site := r.Header.Get("Sec-Fetch-Site")
		return site != "cross-site" && site != "same-site"
	}
	var named []string
	for _, o := range h.Origins {
		if o != "*" {
			named = append(named, o)
		}
	}
	switch {
	case originAllowed(r, named):
		out.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		out.Set("Access-Control-Allow-Credentials", "true")
	case originAllowed(r, h.Origins): // any, without a cookie
		out.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	out.Set("Access-Control-Expose-Headers", "Retry-After")
	return true
}

// preflight says what a page may send.
func preflight(out http.Header, method string) {
	out.Set("Access-Control-Allow-Methods", method)
	out.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID")
	out.Set("Access-Control-Max-Age", "600")
}
