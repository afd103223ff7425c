package ws

import (
	"net/http"
	"strings"
)

// deflates tells whether a client offers a permessage-deflate that gorilla can do: both sides forget after each message, with
// any window of theirs. An offer that says how large ours is to be would have to be answered so. See RFC 7692.
func deflates(h http.Header) bool {
	for _, line := range h.Values("Sec-WebSocket-Extensions") {
		for offer := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(offer, ";")
			if strings.EqualFold(strings.TrimSpace(name), "permessage-deflate") && possible(params) {
				return true
			}
		}
	}
	return false
}

// possible tells whether nothing among the parameters of an offer is in the way.
func possible(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, _, _ := strings.Cut(param, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "", "client_no_context_takeover", "server_no_context_takeover", "client_max_window_bits":
		default:
			return false
		}
	}
	return true
}
