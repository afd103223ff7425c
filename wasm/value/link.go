package value

import (
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
)

// Links makes handles of what is no data, and the reverse, for one value at a time. What they name is the runtime's.
type Links interface {
	// Link makes a handle of an io.Reader or a Linked.
	Link(v any) (Handle, error)
	// Follow sets v to what a handle names. A type that cannot be that is an error.
	Follow(h Handle, v reflect.Value) error
}

// Linked is a pointer to what crosses as a handle.
type Linked interface {
	// Describe is the TypeScript type. The pointer may be nil.
	Describe() string
}

var (
	readerType     = reflect.TypeFor[io.Reader]()
	readCloserType = reflect.TypeFor[io.ReadCloser]()
	linkedType     = reflect.TypeFor[Linked]()
)

// linking is an encoding with handles, and where they are.
type linking struct {
	Links
	places []int
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

func appendLink(b []byte, v any, at place) ([]byte, error) {
	if at.links == nil {
		return b, ErrLink
	}
	h, err := at.links.Link(v)
	if err != nil {
		return b, err
	}
	at.links.places = append(at.links.places, len(b))
	return binary.LittleEndian.AppendUint32(append(b, TagHandle, h.Kind), h.ID), nil
}

// AppendLinked is AppendReflect for values of which some may be no data: values, or an array of them if list is true.
// It is for those that AppendReflect has refused with ErrLink, and makes a value that begins with L. What was made before
// an error is returned with it, so that the handles in it can be given up.
func AppendLinked(values []reflect.Value, list bool, l Links) ([]byte, error) {
	var b []byte
	if list {
		b = AppendArray(b, len(values))
	}
	k := &linking{Links: l}
	for i, v := range values {
		var err error
		if b, err = encodeReflect(b, v, place{links: k}); err != nil {
			if list {
				err = fmt.Errorf("argument %d: %w", i+1, err)
			}
			return k.list(b), err
		}
	}
	return k.list(b), nil
}

// list puts the list of handles before b.
func (k *linking) list(b []byte) []byte {
	head := binary.AppendUvarint([]byte{TagLinks}, uint64(len(k.places)))
	for _, p := range k.places {
		head = binary.LittleEndian.AppendUint32(head, uint32(p))
	}
	return append(head, b...)
}

// CutLinks takes the list of handles off a value that begins with L. places are where they are in rest; a value without
// a list has none.
func CutLinks(b []byte) (places []int, rest []byte, err error) {
	if len(b) == 0 || b[0] != TagLinks {
		return nil, b, nil
	}
	d := decoder{b: b, at: 1}
	n := d.count(4)
	rest = d.b[min(d.at+4*n, len(b)):]
	for range n {
		p := d.take(4)
		if p == nil {
			break
		}
		at := int(binary.LittleEndian.Uint32(p))
		if at+6 > len(rest) || rest[at] != TagHandle {
			return nil, nil, ErrMalformed
		}
		places = append(places, at)
	}
	return places, rest, d.err
}

// HandleAt is the handle at a place of CutLinks.
func HandleAt(b []byte, place int) Handle {
	return Handle{Kind: b[place+1], ID: binary.LittleEndian.Uint32(b[place+2:])}
}

// SetHandle puts another handle at a place of CutLinks.
func SetHandle(b []byte, place int, h Handle) {
	b[place+1] = h.Kind
	binary.LittleEndian.PutUint32(b[place+2:], h.ID)
}

// ReadLinked is ReadInto with handles followed. b has no list of them any more.
func ReadLinked(b []byte, p any, l Links) (rest []byte, err error) {
	d := decoder{b: b, budget: 16*len(b) + 1024, links: l}
	if err := d.into(p); err != nil {
		return nil, err
	}
	return d.b[d.at:], nil
}
