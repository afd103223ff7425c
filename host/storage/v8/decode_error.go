package v8

import "durago.example/wasm/value"

// host reads an object of workerd's own.
func (d *decoder) host(i int) {
	switch tag := d.uint32(); tag {
	case hostError:
		d.hostError(i)
	case hostDOMException: // its name, message and stack
		d.begin(i, value.TagError)
		for range 3 {
			d.appendText(tagUTF8, d.bytes())
		}
		d.tag(0)
		d.noProperties()
	default:
		d.fail(unreadableHost(tag))
	}
}

// noProperties writes the object of an Error's own properties.
func (d *decoder) noProperties() {
	d.last++
	d.dst = value.AppendObject(d.dst, 0)
}

// hostError reads an Error of workerd's: see encoder.error.
func (d *decoder) hostError(i int) {
	class := int(d.uint32())
	if class >= len(errorNames) {
		class = 1
	}
	d.begin(i, value.TagError)
	switch tag := d.peek(); {
	case class > 0:
		d.appendText(tagUTF8, []byte(errorNames[class]))
	case tag == tagOneByte || tag == tagTwoByte || tag == tagUTF8:
		d.str()
	default: // a script may have made the name anything
		d.skip()
		d.appendText(tagUTF8, []byte("Error"))
	}
	d.str()

	d.peek()
	own := d.object(d.at, d.at)
	if !d.is(tagObject) {
		d.fail(ErrMalformed)
		return
	}
	d.enter()
	defer d.leave()
	list := d.members()
	d.end(own)

	var stack, cause int
	others := list[:0]
	for _, m := range list {
		switch {
		case m.name == "stack" && stack == 0 && m.text:
			stack = m.at
		case m.name == "cause" && cause == 0:
			cause = m.at
		default:
			others = append(others, m)
		}
	}
	d.fields(stack, cause)
	d.begin(own, value.TagObject)
	d.uint(uint64(len(others)))
	for _, m := range others {
		d.detour(m.key, d.key)
		d.detour(m.at, d.value)
	}
}

// member is a property of an Error: where its key and its value are.
type member struct {
	key, at int
	name    string // of "stack" and "cause"
	text    bool   // the value is a string
}

// members steps over properties up to the end of their object.
func (d *decoder) members() (list []member) {
	for d.err == nil && !d.is(tagObjectEnd) {
		d.peek()
		m := member{key: d.at}
		if d.is(tagOneByte) {
			m.name = string(d.bytes())
		} else {
			d.skipKey()
		}
		tag := d.peek()
		m.at = d.at
		m.text = tag == tagOneByte || tag == tagTwoByte || tag == tagUTF8
		d.skip()
		list = append(list, m)
	}
	d.want(len(list))
	return list
}

// fields writes an Error's stack and cause, which are at positions; 0 is none.
func (d *decoder) fields(stack, cause int) {
	d.optional(stack)
	if cause == 0 {
		d.tag(0)
		return
	}
	d.tag(1)
	d.detour(cause, d.value)
}

// optional writes the string at a position; 0 is an empty one.
func (d *decoder) optional(at int) {
	if at == 0 {
		d.uint(0)
		return
	}
	d.detour(at, func() { d.str() })
}

// error reads an Error that V8 itself has written: fields behind letters.
func (d *decoder) error(i int) {
	d.begin(i, value.TagError)
	name := "Error"
	var message, stack, cause int
	for d.err == nil {
		letter := d.byte()
		if letter == '.' {
			break
		}
		at := d.at
		switch letter {
		case 'm':
			message = at
			d.skipText()
		case 's':
			stack = at
			d.skipText()
		case 'c':
			cause = at
			d.skip()
		default:
			class, ok := prototypes[letter]
			if !ok {
				d.fail(ErrMalformed)
			}
			name = class
		}
	}
	d.appendText(tagUTF8, []byte(name))
	d.optional(message)
	d.fields(stack, cause)
	d.noProperties()
}

// skipHost steps over an object of workerd's own.
func (d *decoder) skipHost() {
	switch tag := d.uint32(); tag {
	case hostError:
		if d.uint32() == 0 {
			d.skip()
		}
		d.skipText()
		d.skip()
	case hostDOMException:
		for range 3 {
			d.bytes()
		}
	default:
		d.fail(unreadableHost(tag))
	}
}

func unreadableHost(tag uint32) error {
	if what, ok := hosts[tag]; ok {
		return &UnreadableError{what}
	}
	return &UnreadableError{"an object of workerd's own that durago does not know"}
}
