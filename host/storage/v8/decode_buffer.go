package v8

import "durago.example/wasm/value"

// In V8 a view follows its buffer, or a back-reference to it. A buffer that only a view needs is left out; it is
// written where something refers to it for itself.

// contents reads a buffer behind its tag.
func (d *decoder) contents(tag byte) []byte {
	n := d.uint32()
	if tag == tagResizable && d.uint32() < n {
		d.fail(ErrMalformed)
	}
	return d.take(int(n))
}

// buffer reads the buffer at a position, and the view that follows if one does.
func (d *decoder) buffer(at int, tag byte) {
	i := d.object(at, at)
	p := d.contents(tag)
	d.end(i)
	if d.peek() == tagView {
		d.view(at, p, tag == tagResizable)
		return
	}
	if d.err == nil {
		d.once(i, p)
	}
}

// once writes a buffer, once.
func (d *decoder) once(i int, p []byte) {
	if d.objects[i].id != 0 {
		d.back(i)
		return
	}
	d.give(i)
	d.dst = value.AppendBytes(d.dst, p)
}

// reference reads what the back-reference at a position refers to.
func (d *decoder) reference(at int) {
	i := int(d.uint32())
	if d.err != nil || i >= len(d.objects) {
		d.fail(ErrMalformed)
		return
	}
	o := d.objects[i]
	if tag := d.b[o.at]; tag == tagBuffer || tag == tagResizable {
		var p []byte
		d.detour(o.at+1, func() { p = d.contents(tag) })
		if d.peek() == tagView {
			d.view(at, p, tag == tagResizable)
			return
		}
		if d.err == nil {
			d.once(i, p)
		}
		return
	}
	if o.id != 0 {
		d.back(i)
		return
	}
	d.detour(o.from, d.value)
}

// window reads a view behind its tag: its kind and the part of its buffer.
func (d *decoder) window(p []byte, grows bool) (kind int, part []byte) {
	kind = kindOf(d.varint())
	offset, n := int(d.uint32()), int(d.uint32())
	flags := uint32(0)
	if d.flags {
		flags = d.uint32()
	}
	if d.err != nil || kind < 0 || offset > len(p) || n > len(p)-offset || offset%views[kind].size != 0 || n%views[kind].size != 0 ||
		flags > lengthTracking|resizable || (flags&resizable != 0) != grows || flags&lengthTracking != 0 && !grows {
		d.fail(ErrMalformed)
		return 0, nil
	}
	if flags&lengthTracking != 0 { // its own length says nothing
		n = (len(p) - offset) / views[kind].size * views[kind].size
	}
	return kind, p[offset : offset+n]
}

// view reads the view that follows its buffer; from is where that begins.
func (d *decoder) view(from int, p []byte, grows bool) {
	i := d.object(d.at, from)
	d.at++
	kind, part := d.window(p, grows)
	d.end(i)
	if d.err != nil {
		return
	}
	if d.objects[i].id != 0 {
		d.back(i)
		return
	}
	d.spend(len(part))
	d.give(i)
	d.dst = append(d.dst, value.TagView, byte(kind))
	d.uint(uint64(len(part)))
	d.dst = append(d.dst, part...)
}

// spend takes from what views may copy.
func (d *decoder) spend(n int) {
	if d.budget -= n; d.budget < 0 {
		d.fail(ErrCost)
	}
}
