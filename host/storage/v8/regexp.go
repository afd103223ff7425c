package v8

import "unicode/utf8"

// escaped is the source of a regular expression as the constructor RegExp keeps it, so that it can stand between slashes:
// a slash outside of brackets and an end of line are escaped, and nothing is an empty group. See
// https://tc39.es/ecma262/#sec-escaperegexppattern.
func escaped(source []byte) []byte {
	if len(source) == 0 {
		return []byte("(?:)")
	}
	out := make([]byte, 0, len(source)+4)
	backslash, brackets := false, false
	for len(source) > 0 {
		r, n := utf8.DecodeRune(source)
		escape := ""
		switch {
		case r == '\n':
			escape = "n"
		case r == '\r':
			escape = "r"
		case r == '\u2028':
			escape = "u2028"
		case r == '\u2029':
			escape = "u2029"
		case r == '/' && !backslash && !brackets:
			escape = "/"
		}
		switch {
		case escape == "":
			out = append(out, source[:n]...)
		case backslash: // which is there
			out = append(out, escape...)
		default:
			out = append(append(out, '\\'), escape...)
		}
		if !backslash {
			brackets = r == '[' || brackets && r != ']'
		}
		backslash = r == '\\' && !backslash
		source = source[n:]
	}
	return out
}
