package ratelimit

import "strings"

// Hierarchy are the descriptors of a path of names and values, each below the one before: of
//
//	ratelimit.Hierarchy("tenant", "acme", "user", "ann", "route", "/search")
//
// they are the keys acme, acme|ann and acme|ann|/search under the rules tenant, user and route. A request with all of
// them is held to the limits of the tenant, of each of its users, and of each route of each user, and takes from all or
// from none. A | or \ in a value is escaped, so that no two paths have one key. A last name without a value is left out.
func Hierarchy(path ...string) []Descriptor {
	list := make([]Descriptor, 0, len(path)/2)
	key := ""
	for i := 0; i+1 < len(path); i += 2 {
		if i > 0 {
			key += "|"
		}
		key += separators.Replace(path[i+1])
		list = append(list, Descriptor{Rule: path[i], Key: key})
	}
	return list
}

var separators = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
