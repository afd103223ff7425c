package v8

// skip steps over a value and notes the objects in it.
func (d *decoder) skip() {
	d.enter()
	defer d.leave()
	tag := d.peek()
	at := d.at
	d.byte()
	if d.err != nil {
		return
	}
	switch tag {
	case tagUndefined, tagNull, tagTrue, tagFalse:
	case tagInt32, tagUint32, tagDouble:
		d.number(tag)
	case tagOneByte, tagTwoByte, tagUTF8:
		d.bytes()
	case tagBigInt:
		d.bigBytes()
	case tagReference:
		if int(d.uint32()) >= len(d.objects) {
			d.fail(ErrMalformed)
			return
		}
		d.skipView(at)
	case tagBuffer, tagResizable:
		i := d.object(at, at)
		d.contents(tag)
		d.end(i)
		d.skipView(at)
	default:
		i := d.object(at, at)
		if !d.over(i) {
			d.skipInto(tag)
			d.end(i)
		}
	}
}

// skipFrom steps over the object that has just begun.
func (d *decoder) skipFrom(i int) {
	if !d.over(i) {
		d.at = d.objects[i].at
		d.skip()
	}
}

// skipView steps over the view that follows a buffer, if one does. Whether it fits is looked at when it is read.
func (d *decoder) skipView(from int) {
	if d.peek() != tagView {
		return
	}
	i := d.object(d.at, from)
	d.at++
	d.varint()
	d.uint32()
	d.uint32()
	if d.flags {
		d.uint32()
	}
	d.end(i)
}

func (d *decoder) skipText() {
	switch d.peek() {
	case tagOneByte, tagTwoByte, tagUTF8:
		d.skip()
	default:
		d.fail(ErrMalformed)
	}
}

// skipKey steps over the key of a property.
func (d *decoder) skipKey() {
	switch d.peek() {
	case tagInt32, tagUint32, tagDouble:
		d.skip()
	default:
		d.skipText()
	}
}

func (d *decoder) skipInto(tag byte) {
	switch tag {
	case tagDate, tagNumberObject:
		d.take(8)
	case tagTrueObject, tagFalseObject:
	case tagBigIntObject:
		d.bigBytes()
	case tagStringObject:
		d.skipText()
	case tagRegExp:
		d.skipText()
		d.uint32()
	case tagDense:
		n := d.count(1)
		for k := 0; k < n && d.err == nil; k++ {
			if !d.is(tagHole) {
				d.skip()
			}
		}
		d.want(d.named(tagDenseEnd))
		d.want(n)
	case tagSparse:
		length := d.uint32()
		d.want(d.named(tagSparseEnd))
		d.want(int(length))
	case tagObject:
		d.want(d.named(tagObjectEnd))
	case tagMap:
		d.want(d.skipUntil(tagMapEnd))
	case tagSet:
		d.want(d.skipUntil(tagSetEnd))
	case tagError:
		d.skipError()
	case tagHost:
		d.skipHost()
	default:
		what, ok := unreadable[tag]
		if !ok {
			d.fail(ErrMalformed)
			return
		}
		d.fail(&UnreadableError{what})
	}
}

// skipUntil steps over values up to a tag, and returns how many.
func (d *decoder) skipUntil(end byte) (n int) {
	for ; d.err == nil && !d.is(end); n++ {
		d.skip()
	}
	return n
}

func (d *decoder) skipError() {
	for d.err == nil {
		switch letter := d.byte(); letter {
		case '.':
			return
		case 'm', 's':
			d.skipText()
		case 'c':
			d.skip()
		default:
			if _, ok := prototypes[letter]; !ok {
				d.fail(ErrMalformed)
			}
		}
	}
}
