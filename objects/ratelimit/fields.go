package ratelimit

import (
	"encoding/base64"
	"net/http"
	"strconv"
)

// WriteFields sets the fields RateLimit-Policy and RateLimit as draft-ietf-httpapi-ratelimit-headers-11 has them: lists
// of structured fields, an item for each limit that is no shadow. partition gives the partition key of a key, which
// clients see, and may be nil. See https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/.
func WriteFields(h http.Header, limits []LimitStatus, partition func(key string) []byte) {
	policy, state := "", ""
	for i := range limits {
		l := &limits[i]
		if l.Shadow {
			continue
		}
		if policy != "" {
			policy, state = policy+", ", state+", "
		}
		unit, window, key := "", "", ""
		if l.Unit != "" {
			unit = `;qu="` + l.Unit + `"`
		}
		if l.WindowMS > 0 {
			window = ";w=" + integer(seconds(l.WindowMS))
		}
		if partition != nil {
			key = ";pk=:" + base64.StdEncoding.EncodeToString(partition(l.Key)) + ":"
		}
		name := `"` + l.Name + `"` // which has nothing to escape
		policy += name + ";q=" + integer(l.Quota) + unit + window + key
		state += name + ";r=" + integer(l.Remaining) + ";t=" + integer(seconds(l.ResetInMS)) + key
	}
	if policy != "" {
		h["Ratelimit-Policy"] = []string{policy}
		h["Ratelimit"] = []string{state}
	}
}

// integer is an Integer, which has 15 digits at most.
func integer(n int64) string { return strconv.FormatInt(min(n, 999_999_999_999_999), 10) }

// seconds are whole seconds of at least that many milliseconds: a client that waits so long has waited long enough.
func seconds(ms int64) int64 { return ms/1000 + min(1, ms%1000) }

// RetryAfter is the value of the field Retry-After for a refusal: whole seconds, 1 at least; ok is false if trying again
// never helps.
func (d *Decision) RetryAfter() (value string, ok bool) {
	if d.RetryInMS < 0 {
		return "", false
	}
	return strconv.FormatInt(max(1, seconds(d.RetryInMS)), 10), true
}
