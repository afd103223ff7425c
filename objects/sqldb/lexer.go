package sqldb

import "strings"

// kind of a token.
type kind int

const (
	end       kind = iota
	word           // a keyword or a name
	quoted         // a name in quotes, without them
	parameter      // ?, ?1, :a, @a, $a or #a
	sign           // one byte of anything else; literals, too, are of no interest
)

// lexer cuts SQL into tokens, as far as the driver needs to tell names and parameters from what is only text.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (kind, string) {
	for l.at < len(l.text) {
		c, from := l.text[l.at], l.at
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			l.at++
		case strings.HasPrefix(l.text[l.at:], "--"):
			l.after("\n")
		case strings.HasPrefix(l.text[l.at:], "/*"):
			l.at += 2
			l.after("*/")
		case c == '\'' || c == '"' || c == '`':
			text := l.string(c)
			if c == '\'' {
				return sign, "'"
			}
			return quoted, text
		case c == '[':
			l.after("]")
			return quoted, strings.TrimSuffix(l.text[from+1:l.at], "]")
		case c == '?':
			for l.at++; l.at < len(l.text) && isDigit(l.text[l.at]); l.at++ {
			}
			return parameter, l.text[from:l.at]
		case strings.IndexByte(":@$#", c) >= 0:
			if l.name(); l.at > from {
				return parameter, l.text[from:l.at]
			}
			l.at++
			return sign, l.text[from:l.at]
		case inName(c): // a number too: it is no name of anything
			for l.at < len(l.text) && inName(l.text[l.at]) {
				l.at++
			}
			return word, l.text[from:l.at]
		default:
			l.at++
			return sign, l.text[from:l.at]
		}
	}
	return end, ""
}

// name reads a parameter's name, which may be Tcl's: with :: in it, and (…) after it. It stays where it is if there is none.
func (l *lexer) name() {
	named := false
	for at := l.at + 1; at <= len(l.text); at++ {
		rest := l.text[at:]
		switch {
		case rest != "" && inName(rest[0]):
			named = true
			continue
		case strings.HasPrefix(rest, "::"):
			at++
			continue
		case !named:
			return
		}
		l.at = at
		if strings.HasPrefix(rest, "(") {
			if n := strings.IndexAny(rest, ") \t\n\f\r"); n >= 0 && rest[n] == ')' {
				l.at += n + 1
			}
		}
		return
	}
}

// after moves behind the next mark, or to the end.
func (l *lexer) after(mark string) {
	n := strings.Index(l.text[l.at:], mark)
	if n < 0 {
		l.at = len(l.text)
		return
	}
	l.at += n + len(mark)
}

// string reads what is between quotes; a quote is in it when it is there twice.
func (l *lexer) string(quote byte) string {
	var out strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		if l.text[l.at] == quote {
			if l.at++; l.at >= len(l.text) || l.text[l.at] != quote {
				break
			}
		}
		out.WriteByte(l.text[l.at])
	}
	return out.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func inName(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
