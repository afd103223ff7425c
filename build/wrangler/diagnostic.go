package wrangler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Diagnostic is one thing to say about a configuration.
type Diagnostic struct {
	File    string
	Line    int    // from 1; 0 if the file as a whole is meant
	Column  int    // from 1, in characters
	Key     string // such as env.staging.vars.GREETING; the thing around it if something is missing
	Text    string // one line
	Warning bool   // the worker runs all the same

	// Own marks what only durago says: wrangler is silent here, or says it milder or in other words. Any other text is
	// wrangler's, with its line breaks made spaces, and its class is wrangler's too.
	Own bool
}

// Error is file:line:column: key: text.
func (d Diagnostic) Error() string {
	s := d.File
	if d.Line > 0 {
		s += fmt.Sprintf(":%d:%d", d.Line, d.Column)
	}
	if d.Key != "" {
		s += ": " + d.Key
	}
	return s + ": " + d.Text
}

// Error is why a configuration cannot be used.
type Error struct {
	Mistakes []Diagnostic // at least one, in the order of the file
	Warnings []Diagnostic
}

// Error has a line for each mistake.
func (e *Error) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap gives the single mistakes to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	list := make([]error, len(e.Mistakes))
	for i, d := range e.Mistakes {
		list[i] = d
	}
	return list
}

// problems collects diagnostics while one file is read.
type problems struct {
	file   string
	places map[string]place // by key
	list   []Diagnostic
}

// place is where a key, or an element of a list, begins.
type place struct{ line, column int }

func (p place) compare(q place) int {
	if p.line != q.line {
		return p.line - q.line
	}
	return p.column - q.column
}

// wrong notes a mistake in wrangler's words.
func (p *problems) wrong(key, format string, args ...any) {
	p.add(Diagnostic{Key: key, Text: fmt.Sprintf(format, args...)})
}

// warn notes in wrangler's words what wrangler warns of.
func (p *problems) warn(key, format string, args ...any) {
	p.add(Diagnostic{Key: key, Text: fmt.Sprintf(format, args...), Warning: true})
}

// own notes a mistake that wrangler does not see, or words otherwise.
func (p *problems) own(key, format string, args ...any) {
	p.add(Diagnostic{Key: key, Text: fmt.Sprintf(format, args...), Own: true})
}

// note warns of what wrangler does not warn of.
func (p *problems) note(key, format string, args ...any) {
	p.add(Diagnostic{Key: key, Text: fmt.Sprintf(format, args...), Own: true, Warning: true})
}

// add places a diagnostic at its key, or at the nearest thing around it that stands in the file.
func (p *problems) add(d Diagnostic) {
	d.File, d.Text = p.file, strings.Join(strings.Fields(d.Text), " ")
	for key := d.Key; key != ""; key = around(key) {
		if at, ok := p.places[key]; ok {
			d.Line, d.Column = at.line, at.column
			break
		}
	}
	if !slices.Contains(p.list, d) {
		p.list = append(p.list, d)
	}
}

// around is the key of what a key stands in.
func around(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

// sorted are the mistakes and the warnings, in the order of the file.
func (p *problems) sorted() (mistakes, warnings []Diagnostic) {
	slices.SortStableFunc(p.list, func(a, b Diagnostic) int {
		return place{a.Line, a.Column}.compare(place{b.Line, b.Column})
	})
	for _, d := range p.list {
		if d.Warning {
			warnings = append(warnings, d)
		} else {
			mistakes = append(mistakes, d)
		}
	}
	return mistakes, warnings
}

// err is an *Error if there is a mistake.
func (p *problems) err() error {
	if mistakes, warnings := p.sorted(); len(mistakes) > 0 {
		return &Error{mistakes, warnings}
	}
	return nil
}
