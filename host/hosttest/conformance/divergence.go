package conformance

import (
	"fmt"
	"strings"
)

// Divergence is the text of host/DIVERGENCE.md: each difference with its reason, the tests that show it, and the rows.
func (l *List) Divergence() string {
	rows := map[string][]string{}
	for _, t := range l.Tables {
		for _, r := range t.Rows {
			if r.Differs != "" {
				rows[r.Differs] = append(rows[r.Differs], "`"+r.ID+"`")
			}
		}
	}
	var b strings.Builder
	b.WriteString("# Divergence\n\n" + wrap("Where the host differs from Cloudflare or from workerd, on purpose or for now. It is "+
		"written from `testdata/conformance/differences.toml` by `go generate ./host/hosttest/conformance`. Scenarios name a section where "+
		"their transcripts differ (`hosttest.Diverges`), rows of `testdata/conformance` where their answers do."))
	for _, d := range l.Differences {
		fmt.Fprintf(&b, "\n## %s\n\n", d.Title)
		text := strings.TrimSpace(d.Reason)
		if len(d.Tests) > 0 {
			var tests []string
			for _, t := range d.Tests {
				name, where, _ := strings.Cut(t, " ")
				if where != "" {
					where = " in `" + where + "`"
				}
				tests = append(tests, "`"+name+"`"+where)
			}
			text += " Test: " + strings.Join(tests, ", ") + "."
		}
		if r := rows[d.Title]; len(r) > 0 {
			text += " Rows: " + strings.Join(r, ", ") + "."
		}
		b.WriteString(wrap(text))
	}
	return b.String()
}

// wrap breaks a paragraph into lines; paragraphs stay apart.
func wrap(text string) string {
	var b strings.Builder
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		width := 0
		for _, word := range strings.Fields(p) {
			n := len([]rune(word))
			switch {
			case width == 0:
			case width+1+n > 120:
				b.WriteString("\n")
				width = 0
			default:
				b.WriteString(" ")
				width++
			}
			b.WriteString(word)
			width += n
		}
		b.WriteString("\n")
	}
	return b.String()
}
