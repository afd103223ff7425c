package browser_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// connection is what a visitor remembers of one of its sockets: texts, and the code and reason that it closed with.
type connection struct {
	Said, Heard []string
	Code        int
	Reason      string
}

// check holds what visitors remember against what the room has handled, in the order of that:
//
//   - nothing was handled twice, and what one visitor said in its order;
//   - of what it said on one connection nothing is missing but the last, or nothing at all if it closed by itself;
//   - what it heard on one connection is all that the room handled from the first to the last of it;
//   - and it never heard anything twice, over all connections.
func check(handled []string, visitors map[string][]connection) error {
	at := map[string]int{}
	for i, text := range handled {
		if before, twice := at[text]; twice {
			return fmt.Errorf("%s was handled as number %d and %d", text, before, i)
		}
		at[text] = i
	}
	for name, list := range visitors {
		next, last := 0, -1
		for i, c := range list {
			for j, text := range c.Heard {
				n, ok := at[text]
				switch {
				case !ok:
					return fmt.Errorf("%s heard %s, which was not handled", name, text)
				case n < next, j > 0 && n > next:
					return fmt.Errorf("%s heard %s, number %d, on connection %d when %d was to come", name, text, n, i, next)
				}
				next = n + 1
			}
			lost := ""
			for _, text := range c.Said {
				n, ok := at[text]
				switch {
				case !ok && c.Code == 1000:
					return fmt.Errorf("%s said %s before it closed, which was not handled", name, text)
				case !ok && lost == "":
					lost = text
				case !ok:
				case lost != "":
					return fmt.Errorf("%s said %s, which was handled, after %s, which was not", name, text, lost)
				case n < last:
					return fmt.Errorf("%s said %s, number %d, after number %d", name, text, n, last)
				default:
					last = n
				}
			}
		}
	}
	return nil
}

// TestCheck: each broken promise is noticed.
func TestCheck(t *testing.T) {
	handled := []string{"a-0", "b-0", "a-1", "b-1", "a-2"}
	all := func(c ...connection) map[string][]connection { return map[string][]connection{"a": c} }
	said := []string{"a-0", "a-1", "a-2"}
	for _, row := range []struct {
		name, err string
		handled   []string
		visitors  map[string][]connection
	}{
		{"sound", "", handled, all(connection{Said: said, Heard: handled, Code: 1000})},
		{"dropped with something unheard and unhandled", "", handled, all(connection{Said: []string{"a-0", "a-9"}, Heard: handled[:1], Code: 1006}, connection{Said: said[1:], Heard: handled[3:]})},
		{"handled twice", "handled as number 0 and 5", append(handled[:5:5], "a-0"), all()},
		{"heard and not handled", "heard b-9, which was not handled", handled, all(connection{Heard: []string{"b-9"}})},
		{"a gap", "heard a-1, number 2, on connection 0 when 1 was to come", handled, all(connection{Heard: []string{"a-0", "a-1"}})},
		{"out of order", "heard a-0, number 0, on connection 0 when 2 was to come", handled, all(connection{Heard: []string{"b-0", "a-0"}})},
		{"heard twice", "heard b-0, number 1, on connection 1 when 2 was to come", handled, all(connection{Heard: handled[:2]}, connection{Heard: handled[1:]})},
		{"lost before a close", "said a-9 before it closed", handled, all(connection{Said: []string{"a-0", "a-9"}, Code: 1000})},
		{"lost in between", "said a-1, which was handled, after a-9", handled, all(connection{Said: []string{"a-9", "a-1"}, Code: 1006})},
		{"handled out of order", "said a-0, number 0, after number 2", handled, all(connection{Said: []string{"a-1"}, Code: 1006}, connection{Said: []string{"a-0"}, Code: 1006})},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := check(row.handled, row.visitors)
			if row.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.err)
		})
	}
}
