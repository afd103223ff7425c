package conformance

import (
	"fmt"
	"strings"
	"time"
)

// Act is one part of a script: an event, or something that is done to the object between two.
type Act struct {
	// Verb is "event", "evict", "restart", "wait" or "files".
	Verb string
	// Object is the part of the object's name after the row's id; empty for the row's own.
	Object string
	// Meanwhile has an event begin while those before it are under way.
	Meanwhile bool
	Wait      time.Duration
	Lines     []string // what the guest runs
	Given     bool     // it asserts nothing, and may not fail
}

// Script is what the row has played.
//
// A script is lines. Those between two acts are one event: the guest runs them and answers each. These are acts:
//
//	event [@name]       the lines that follow are another event, of that object
//	meanwhile [@name]   the same, but what goes before it need not have ended
//	evict               the object leaves memory
//	restart             the runtime ends and starts anew on the same data
//	wait 2s             time passes
//	files               the names of the object's files
func (r *Row) Script() ([]Act, error) {
	given, err := acts(r.ID, r.Given)
	if err != nil {
		return nil, err
	}
	for i := range given {
		given[i].Given = true
	}
	do, err := acts(r.ID, r.Do)
	return append(given, do...), err
}

func acts(id, text string) (out []Act, err error) {
	open := false // the last act takes lines
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		a := Act{Verb: verb}
		switch verb {
		case "":
			continue
		case "event", "meanwhile":
			a.Verb, a.Meanwhile, a.Object = "event", verb == "meanwhile", strings.TrimPrefix(rest, "@")
		case "evict", "files":
			a.Object = strings.TrimPrefix(rest, "@")
		case "restart":
		case "wait":
			if a.Wait, err = time.ParseDuration(rest); err != nil {
				return nil, fmt.Errorf("conformance: %s: %w", id, err)
			}
		default:
			if !open {
				out = append(out, Act{Verb: "event"})
			}
			open = true
			e := &out[len(out)-1]
			e.Lines = append(e.Lines, line)
			continue
		}
		open = a.Verb == "event"
		out = append(out, a)
	}
	return out, nil
}
