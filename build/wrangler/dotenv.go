package wrangler

import (
	"regexp"
	"strings"
)

// Environment files are read as the npm packages dotenv and dotenv-expand read them, which are wrangler's: what they do
// with quotes and with half a line is their regular expression, and no standard. https://github.com/motdotla/dotenv
//
// They take any text: what is no assignment is passed over.

// blank is JavaScript's \s, which is more than Go's.
const blank = `[\t\n\v\f\r \x{00a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]`

// assignment is dotenv's LINE.
var assignment = regexp.MustCompile(strings.ReplaceAll(
	`(?m)^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`+"`(?:\\\\`|[^`])*`"+`|[^#\r\n]+)?\s*(?:#.*)?$`, `\s`, blank))

// variable is a line of an environment file.
type variable struct{ name, value string }

// parseDotenv reads an environment file. A name that stands twice has the last value, at the place of the first.
func parseDotenv(text string) (list []variable) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for _, m := range assignment.FindAllStringSubmatch(text, -1) {
		value := strings.Trim(m[2], "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff")
		double := strings.HasPrefix(value, `"`)
		if value = unquote(value); double {
			value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
		}
		list = set(list, variable{m[1], value})
	}
	return list
}

func set(list []variable, v variable) []variable {
	for i := range list {
		if list[i].name == v.name {
			list[i].value = v.value
			return list
		}
	}
	return append(list, v)
}

func get(list []variable, name string) string {
	for _, v := range list {
		if v.name == name {
			return v.value
		}
	}
	return ""
}

// unquote takes away quotes that begin a line and end the same line, or a later one: dotenv's /^(['"`])([\s\S]*)\1$/mg.
func unquote(s string) string {
	var b strings.Builder
	for s != "" {
		end := -1
		if strings.ContainsRune("'\"`", rune(s[0])) {
			for j := len(s) - 1; j > 0; j-- {
				if s[j] == s[0] && (j+1 == len(s) || s[j+1] == '\n') {
					end = j
					break
				}
			}
		}
		if end > 0 {
			b.WriteString(s[1:end])
			s = s[end+1:]
		}
		next := strings.IndexByte(s, '\n') + 1
		if next == 0 {
			next = len(s)
		}
		b.WriteString(s[:next])
		s = s[next:]
	}
	return b.String()
}

// expansions bounds how often one value is expanded: a value that names itself would grow without end, as it does under
// wrangler.
const expansions = 100

// expand puts values in the place of $NAME and ${NAME}, ${NAME:-default} and ${NAME:+instead}, from the process and from
// the lines above. A value of the process wins over the file's.
func expand(list []variable, process map[string]string) (done []variable) {
	for _, v := range list {
		value := v.value
		if p := process[v.name]; p != "" && p != value {
			value = p
		} else {
			value = expandValue(value, process, done)
		}
		done = set(done, variable{v.name, strings.ReplaceAll(value, `\$`, "$")})
	}
	return done
}

var operator = regexp.MustCompile(`:\+|\+|:-|-`)

func expandValue(value string, process map[string]string, above []variable) string {
	lookup := func(name string) string {
		if p, ok := process[name]; ok {
			return p
		}
		return get(above, name)
	}
	seen := map[string]bool{}
	for range expansions {
		template, expression := reference(value)
		if template == "" {
			break
		}
		seen[value] = true
		name, otherwise, op := expression, "", ""
		if at := operator.FindStringIndex(expression); at != nil {
			op = expression[at[0]:at[1]]
			name, otherwise, _ = strings.Cut(expression, op)
		}
		found := lookup(name)
		if strings.HasSuffix(op, "+") {
			if found == "" {
				otherwise = ""
			}
			found = ""
		}
		if found == "" || seen[found] {
			found = otherwise
		}
		value = replaceOnce(value, template, found)
		if value == get(above, name) {
			break
		}
	}
	return value
}

var braced = regexp.MustCompile(`^\$\{([^{}]+)\}`)
var bare = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)`)

// reference is the first of a value that no backslash stands before, and what is in it.
func reference(s string) (template, expression string) {
	for i := range len(s) {
		if s[i] != '$' || i > 0 && s[i-1] == '\\' {
			continue
		}
		for _, form := range []*regexp.Regexp{braced, bare} {
			if m := form.FindStringSubmatch(s[i:]); m != nil {
				return m[0], m[1]
			}
		}
	}
	return "", ""
}

// replaceOnce is JavaScript's replace, in which $$ and the like mean something in what is put in.
func replaceOnce(s, old, with string) string {
	before, after, ok := strings.Cut(s, old)
	if !ok {
		return s
	}
	return before + strings.NewReplacer("$$", "$", "$&", old, "$`", before, "$'", after).Replace(with) + after
}
