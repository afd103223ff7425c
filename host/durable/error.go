package durable

// Error is an exception of the platform, or one that leaves an object.
type Error struct {
	Name, Message                        string
	Remote, Retryable, Overloaded, Reset bool
	ObjectID                             string
	Stack                                string // for the log
	Props                                []byte // encoded own properties
}

func (e *Error) Error() string {
	if e.Name == "" || e.Name == "Error" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// asReset is err as the callers of an object see it that was reset because of it.
func asReset(err error) *Error {
	e, ok := err.(*Error)
	if !ok {
		return &Error{Name: "Error", Message: err.Error(), Reset: true}
	}
	c := *e
	c.Reset = true
	return &c
}

func overloaded() error {
	return &Error{Name: "Error", Message: "Durable Object is overloaded. Too many requests queued.", Overloaded: true}
}
