package guest

import (
	"durago.example/objects/driver"
)

// Guest is one instance of a program: the module's only one in wasm, one of any number natively.
type Guest struct {
	program driver.Program
	port    // how it reaches what runs it, and how its goroutines take turns

	scopes    map[uint32]*scope
	lastToken uint32
	parked    uint32 // goroutines that wait for their scope to be current

	arrived []*event  // that no worker has taken
	idle    []*worker // that wait for events
	called  bool      // one of them has been, and has not come yet

	handling *event // whose handler was the last to begin; nil if it has ended

	bodies     map[uint32]*body
	syncBodies map[uint32]*syncBody

	statements  statements
	spare       []*cursor // to use again: most live for one statement, and making one costs as much as half of what SQLite does for it
	headerNames headerNames
	client      client
	dropped     dropped
}

func newGuest(p driver.Program) *Guest {
	return &Guest{program: p, scopes: map[uint32]*scope{}, bodies: map[uint32]*body{}, syncBodies: map[uint32]*syncBody{},
		statements: statements{byText: map[string]*statement{}}, headerNames: headerNames{known: map[string]string{}}}
}
