package guest

import "net/http"

// detect is http.DetectContentType, which for plain text compares with some fifty signatures. None of them begins with
// what this looks for, but for one that is elsewhere.
func detect(p []byte) string {
	p = p[:min(len(p), 512)]
	if c := p[0]; (c < 'a' || c > 'z' || c == 't' || c == 'w') && (c < '0' || c > '9') && c != '{' && c != '[' && c != '"' ||
		len(p) >= 36 && p[34] == 'L' && p[35] == 'P' {
		return http.DetectContentType(p)
	}
	for _, c := range p {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return http.DetectContentType(p)
		}
	}
	return "text/plain; charset=utf-8"
}
