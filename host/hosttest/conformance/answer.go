package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Answer is what came of one line.
type Answer struct {
	ID   string // of the row
	N    int    // within the row, from 1
	Line string
	Got  string
}

// Key names the assertion.
func (a Answer) Key() string { return fmt.Sprintf("%s/%d", a.ID, a.N) }

// Recorded is what workerd answered, and what the host may answer in its place.
type Recorded struct {
	Answer
	Host   string
	Differ bool // Host is to be the answer of the host
}

// A recording has a line for each answer,
//
//	kv.get.none/1 kv.get "a" → none
//
// and below it, where the host differs on purpose, a line with the host's:
//
//	≠ something else

// Read reads a recording.
func Read(file string) ([]Recorded, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	var out []Recorded
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if host, ok := strings.CutPrefix(line, "  ≠ "); ok && len(out) > 0 {
			out[len(out)-1].Host, out[len(out)-1].Differ = host, true
			continue
		}
		key, rest, ok := strings.Cut(line, " ")
		id, n, ok2 := strings.Cut(key, "/")
		text, got, ok3 := cutLast(rest, " → ")
		r := Recorded{Answer: Answer{ID: id, Line: text, Got: got}}
		if _, err := fmt.Sscan(n, &r.N); err != nil || !ok || !ok2 || !ok3 {
			return nil, fmt.Errorf("conformance: %s: cannot read %q", filepath.Base(file), line)
		}
		out = append(out, r)
	}
	return out, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Write writes a recording.
func Write(file string, all []Recorded) error {
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "%s %s → %s\n", r.Key(), r.Line, r.Got)
		if r.Differ {
			fmt.Fprintf(&b, "  ≠ %s\n", r.Host)
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	return nil
}

// Record makes the recording of a table from what workerd answered and what the host did. The host's answer is kept
// where the row says that it differs; elsewhere it has to become workerd's.
func Record(t *Table, workerd, host []Answer) []Recorded {
	differs := map[string]bool{}
	for _, r := range t.Rows {
		differs[r.ID] = r.Differs != ""
	}
	answered := map[string]string{}
	for _, a := range host {
		answered[a.Key()] = a.Got
	}
	var out []Recorded
	for _, a := range workerd {
		r := Recorded{Answer: a}
		if got, ok := answered[a.Key()]; ok && got != a.Got && differs[a.ID] {
			r.Host, r.Differ = got, true
		}
		out = append(out, r)
	}
	return out
}

// Mismatch is an answer that is not the recorded one.
type Mismatch struct {
	ID, Key, Line string
	Want, Got     string
}

func (m Mismatch) String() string {
	return fmt.Sprintf("%s: %s\n  want %s\n  got  %s", m.Key, m.Line, m.Want, m.Got)
}

// Compare returns the answers that are not as recorded, those that are missing, and those that nobody asked for. host
// tells whose answers they are.
func Compare(recorded []Recorded, answers []Answer, host bool) (out []Mismatch) {
	got := map[string]Answer{}
	for _, a := range answers {
		got[a.Key()] = a
	}
	for _, r := range recorded {
		a, ok := got[r.Key()]
		delete(got, r.Key())
		want := r.Got
		if host && r.Differ {
			want = r.Host
		}
		m := Mismatch{ID: r.ID, Key: r.Key(), Line: r.Line, Want: want, Got: a.Got}
		switch {
		case !ok:
			m.Got = "(nothing: record again)"
		case a.Line != r.Line:
			m.Got = "(another line, " + a.Line + ": record again)"
		case a.Got == want:
			continue
		}
		out = append(out, m)
	}
	for _, a := range answers {
		if _, more := got[a.Key()]; more {
			out = append(out, Mismatch{ID: a.ID, Key: a.Key(), Line: a.Line, Want: "(nothing: record again)", Got: a.Got})
		}
	}
	return out
}
