package abi

// Error is the Error frame as plain data. Guest and host have their own error types.
type Error struct {
	Flags    byte
	Name     string // "TypeError"
	Message  string
	ObjectID string
	Stack    string // the Go stack, for the log only
	Props    []byte // a value of own properties, or empty
}

// Append appends the frame.
func (e *Error) Append(b []byte) []byte {
	b = append(b, e.Flags)
	b = AppendStr(b, e.Name)
	b = AppendStr(b, e.Message)
	b = AppendStr(b, e.ObjectID)
	b = AppendStr(b, e.Stack)
	return append(b, e.Props...)
}

// ReadError reads the frame.
func ReadError(b []byte) (*Error, error) {
	r := NewReader(b)
	e := &Error{Flags: r.U8(), Name: r.Str(), Message: r.Str(), ObjectID: r.Str(), Stack: r.Str()}
	e.Props = append([]byte(nil), r.Rest()...)
	return e, r.Err()
}
