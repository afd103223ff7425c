package bridge

import (
	"net/http"
	"strings"
)

// TraceID is the trace that a request belongs to by its traceparent, or empty if it has none that is valid. The headers
// themselves go through as they are, whatever they hold. See https://www.w3.org/TR/trace-context/#traceparent-header.
func TraceID(h http.Header) string {
	all := h.Values("Traceparent")
	if len(all) != 1 {
		return ""
	}
	version, rest, _ := strings.Cut(all[0], "-")
	trace, rest, _ := strings.Cut(rest, "-")
	parent, rest, _ := strings.Cut(rest, "-")
	flags, more, longer := strings.Cut(rest, "-")
	if !isHex(version, 2) || version == "ff" || version == "00" && longer || longer && more == "" ||
		!isHex(trace, 32) || !isHex(parent, 16) || !isHex(flags, 2) || isZero(trace) || isZero(parent) {
		return ""
	}
	return trace
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

func isZero(s string) bool { return strings.Trim(s, "0") == "" }
