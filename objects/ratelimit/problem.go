package ratelimit

import (
	"net/http"
	"strings"
)

// The problem types of draft-ietf-httpapi-ratelimit-headers-11.
const (
	quotaExceeded   = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	abnormalUsage   = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"
	reducedCapacity = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
)

// WriteProblem answers a request that was refused: the fields of WriteFields, Retry-After, and a body of
// application/problem+json that names the limits which had not enough left. The status is 429, or 403 for a key on the
// deny list. partition is that of WriteFields.
func WriteProblem(w http.ResponseWriter, d *Decision, partition func(key string) []byte) {
	h := w.Header()
	WriteFields(h, d.Limits, partition)
	if after, ok := d.RetryAfter(); ok {
		h.Set("Retry-After", after)
	}
	var violated []string
	for i := range d.Limits {
		if l := &d.Limits[i]; l.Exceeded && !l.Shadow {
			violated = append(violated, l.Name)
		}
	}
	switch d.Reason {
	case Denied:
		problem(w, http.StatusForbidden, "about:blank", "Forbidden", violated)
	case Locked:
		problem(w, http.StatusTooManyRequests, abnormalUsage, "Request not satisfied due to detection of abnormal request pattern", violated)
	default:
		problem(w, http.StatusTooManyRequests, quotaExceeded, "Request cannot be satisfied as assigned quota has been exceeded", violated)
	}
}

// writeUnavailable answers when the limiter could not be asked and the answer must not be yes.
func writeUnavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	problem(w, http.StatusServiceUnavailable, reducedCapacity, "Request cannot be satisfied due to temporary server capacity constraints", nil)
}

// problem writes texts that have nothing to escape: they are ours, or names of limits.
func problem(w http.ResponseWriter, status int, kind, title string, violated []string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	policies := ""
	if len(violated) > 0 {
		policies = `,"violated-policies":["` + strings.Join(violated, `","`) + `"]`
	}
	_, _ = w.Write([]byte(`{"type":"` + kind + `","title":"` + title + `","status":` + integer(int64(status)) + policies + "}\n"))
}
