package ratelimitserver

import (
	"net/http"
	"strconv"
	"strings"

	"durago.example/objects/ratelimit"
)

// ServeHTTP answers POST …/{key}: one token of the key under the rule "default", or as many as ?cost= says, with the
// fields of ratelimit.WriteFields. The status is 200 or 429, and the body has what GetStatus returns.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "use POST to take a token", http.StatusMethodNotAllowed)
		return
	}
	cost := 1
	if text := r.URL.Query().Get("cost"); text != "" {
		var err error
		if cost, err = strconv.Atoi(text); err != nil {
			http.Error(w, "cost must be a whole number, got "+strconv.Quote(text[:min(len(text), 80)]), http.StatusBadRequest)
			return
		}
	}
	key := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	rows, v, err := s.consume(r.Context(), key, float64(cost), s.now())
	if err != nil {
		status := http.StatusInternalServerError
		if code := ratelimit.Code(err); code == ratelimit.InvalidCost || code == ratelimit.InvalidKey {
			status = http.StatusBadRequest
		}
		http.Error(w, "the rate limiter failed: "+err.Error(), status)
		return
	}
	d := answer(rows, v)
	h := w.Header()
	h["Content-Type"] = jsonType
	ratelimit.WriteFields(h, d.Limits, nil)
	if !d.Allowed {
		if after, ok := d.RetryAfter(); ok {
			h["Retry-After"] = []string{after}
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}
	is := rows[0].status()
	body := make([]byte, 0, 96)
	body = strconv.AppendBool(append(body, `{"ok":`...), d.Allowed)
	body = strconv.AppendInt(append(body, `,"remaining":`...), int64(is.Remaining), 10)
	body = strconv.AppendInt(append(body, `,"limit":`...), int64(is.Limit), 10)
	body = strconv.AppendInt(append(body, `,"reset_in_ms":`...), int64(is.ResetInMS), 10)
	_, _ = w.Write(append(body, "}\n"...))
}

var jsonType = []string{"application/json"}
