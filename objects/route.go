package objects

// Route sends the requests of a path to an object without running Go for them in the front: the runtime finds the
// object's name in the path and hands the whole request over, upgrade and stream included. Go in the front costs about
// as much as Go in the object, so a front that only forwards is better written as routes.
type Route struct {
	// Pattern is a path as http.ServeMux has it: "/room/{name}", "POST /limit/{key}", "/files/{owner}/{path...}". One
	// segment is a wildcard, whose text is the object's name; a last one may be {rest...}.
	Pattern string
	// Binding is the namespace of the object.
	Binding string
}
